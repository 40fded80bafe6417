package rtc

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/pion/logging"
)

// pionLog passes pion's log lines on at debug level: what matters of them is
// reported by the session itself.
type pionLog struct{ log *slog.Logger }

var (
	_ logging.LoggerFactory = pionLog{}
	_ logging.LeveledLogger = pionLog{}
)

// NewLogger implements logging.LoggerFactory.
func (l pionLog) NewLogger(scope string) logging.LeveledLogger {
	return pionLog{log: l.log.With("scope", scope)}
}

func (l pionLog) print(level, msg string) {
	l.log.Debug(msg, "pion", level)
}

func (l pionLog) printf(level, format string, args ...any) {
	if l.log.Enabled(context.Background(), slog.LevelDebug) {
		l.log.Debug(fmt.Sprintf(format, args...), "pion", level)
	}
}

// Trace drops the line: pion traces every packet.
func (l pionLog) Trace(string) {}

// Tracef drops the line.
func (l pionLog) Tracef(string, ...any) {}

func (l pionLog) Debug(msg string)             { l.print("debug", msg) }
func (l pionLog) Debugf(f string, args ...any) { l.printf("debug", f, args...) }
func (l pionLog) Info(msg string)              { l.print("info", msg) }
func (l pionLog) Infof(f string, args ...any)  { l.printf("info", f, args...) }
func (l pionLog) Warn(msg string)              { l.print("warn", msg) }
func (l pionLog) Warnf(f string, args ...any)  { l.printf("warn", f, args...) }
func (l pionLog) Error(msg string)             { l.print("error", msg) }
func (l pionLog) Errorf(f string, args ...any) { l.printf("error", f, args...) }
