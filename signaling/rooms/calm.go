package rooms

import (
	"log/slog"
	"sync"
	"time"
)

// calmTime is the least time between two log lines about the same trouble.
const calmTime = time.Second

// calm writes log lines that may come again and again, once a second at most.
type calm struct {
	mu   sync.Mutex
	last map[string]time.Time
}

// Error logs a message unless the same one was logged just now.
func (c *calm) Error(now time.Time, log *slog.Logger, msg string, args ...any) {
	c.mu.Lock()
	quiet := now.Sub(c.last[msg]) < calmTime
	if !quiet {
		if c.last == nil {
			c.last = map[string]time.Time{}
		}
		c.last[msg] = now
	}
	c.mu.Unlock()
	if !quiet {
		log.Error(msg, args...)
	}
}
