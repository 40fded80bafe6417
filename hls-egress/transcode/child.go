package transcode

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// child is a running process with its pipes.
type child struct {
	cmd            *exec.Cmd
	stdin          io.WriteCloser
	stdout, stderr io.ReadCloser
}

// tame puts a command into a process group of its own, which is killed as a
// whole, and lets it die with the thread that started it: the caller locks
// that thread for as long as the command runs.
func tame(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return killGroup(cmd) }
}

func killGroup(cmd *exec.Cmd) error {
	err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}

// environ is what a process may know of ours: nothing secret.
func environ() []string {
	env := []string{"AV_LOG_FORCE_NOCOLOR=1"}
	for _, name := range []string{"PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

func startChild(ctx context.Context, path string, args []string, nice int) (_ *child, err error) {
	cmd := exec.CommandContext(ctx, path, args...) //nolint:gosec // the operator names the program
	tame(cmd)
	cmd.Env = environ()
	c := &child{cmd: cmd}
	if c.stdin, err = quietly(cmd.StdinPipe()); err != nil {
		return nil, err
	}
	if c.stdout, err = quietly(cmd.StdoutPipe()); err != nil {
		return nil, err
	}
	if c.stderr, err = cmd.StderrPipe(); err != nil {
		return nil, fmt.Errorf("%w: %w", errStart, err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%w: %w", errStart, err)
	}
	// It starts threads when the first input comes, and they inherit this. A
	// process that is not nicer than we are does its work all the same.
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, cmd.Process.Pid, nice)
	return c, nil
}

// kill ends the process and its children, and whoever reads or writes here.
func (c *child) kill() {
	_ = killGroup(c.cmd) // it may be gone already
	for _, f := range []io.Closer{c.stdin, c.stdout, c.stderr} {
		_ = f.Close()
	}
}

// wait returns how the process has ended. It must have been killed.
func (c *child) wait() string {
	err := c.cmd.Wait()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return strings.TrimSpace(exit.String())
	}
	return "ended"
}
