package transcode

import (
	"fmt"
	"io"
	"os"
	"syscall"
	"unsafe"
)

// quiet is our end of a process's pipe. Its reads and writes never wait in the
// kernel, and so go past the scheduler's accounting for system calls: some
// hundred small ones a second would keep the runtime's monitor thread polling
// all the time, which costs this process more than all that it does with
// Samples.
type quiet struct {
	io.Closer
	raw syscall.RawConn
}

// quietly makes one of a pipe's end, or passes on why there is none.
func quietly(end io.Closer, err error) (*quiet, error) {
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errStart, err)
	}
	c, ok := end.(syscall.Conn)
	if !ok {
		return nil, fmt.Errorf("%w: a pipe without a descriptor", errStart)
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errStart, err)
	}
	return &quiet{Closer: end, raw: raw}, nil
}

// Read implements io.Reader.
func (q *quiet) Read(b []byte) (n int, err error) {
	if len(b) == 0 {
		return 0, nil
	}
	var errno syscall.Errno
	err = q.raw.Read(func(fd uintptr) bool {
		n, errno = transfer(syscall.SYS_READ, fd, b)
		return errno != syscall.EAGAIN
	})
	switch {
	case err != nil:
		return 0, fmt.Errorf("%w: %w", os.ErrClosed, err) // it has no other
	case errno != 0:
		return 0, errno
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// Write implements io.Writer.
func (q *quiet) Write(b []byte) (done int, err error) {
	for done < len(b) {
		var n int
		var errno syscall.Errno
		err = q.raw.Write(func(fd uintptr) bool {
			n, errno = transfer(syscall.SYS_WRITE, fd, b[done:])
			return errno != syscall.EAGAIN
		})
		switch {
		case err != nil:
			return done, fmt.Errorf("%w: %w", os.ErrClosed, err)
		case errno != 0:
			return done, errno
		}
		done += n
	}
	return done, nil
}

// transfer makes one system call that does not wait.
func transfer(call, fd uintptr, b []byte) (int, syscall.Errno) {
	for {
		n, _, errno := syscall.RawSyscall(call, fd, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b))) //nolint:gosec // b outlives it
		if errno == 0 {
			return int(n), 0
		}
		if errno != syscall.EINTR {
			return 0, errno
		}
	}
}
