package bench

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of CPU times in /proc (proc(5)); it is 100 Hz on every
// Linux that Go runs on.
const clockTick = 10 * time.Millisecond

// usage is what a process has used.
type usage struct {
	cpu      time.Duration
	resident int64 // bytes
}

// usageOf reads a process's usage from /proc; zero for pid 0.
func usageOf(pid int) (usage, error) {
	if pid == 0 {
		return usage{}, nil
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return usage{}, fmt.Errorf("process %d: %w", pid, err)
	}
	return parseStat(string(stat), int64(os.Getpagesize()))
}

// parseStat reads /proc/PID/stat. The command, in parentheses, may contain
// anything, parentheses too.
func parseStat(stat string, page int64) (usage, error) {
	f := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	const user, system, rss = 11, 12, 21 // fields 14, 15 and 24
	if len(f) <= rss {
		return usage{}, fmt.Errorf("process: %d fields in its stat", len(f))
	}
	var n [3]int64
	for i, at := range []int{user, system, rss} {
		var err error
		if n[i], err = strconv.ParseInt(f[at], 10, 64); err != nil {
			return usage{}, fmt.Errorf("process: %w", err)
		}
	}
	return usage{time.Duration(n[0]+n[1]) * clockTick, n[2] * page}, nil
}
