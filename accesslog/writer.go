package accesslog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Defaults of [WriterConfig].
const (
	defaultQueue = 4 << 20
	defaultClose = 2 * time.Second
	keptBuffer   = 256 << 10
	rotatedCheck = time.Second // how often a moved or removed file is looked for
)

// WriterConfig configures a [Writer]. The zero value is valid.
type WriterConfig struct {
	_ [0]func()

	// Queue is how many bytes may wait for the output; 0 is 4 MiB. As many again
	// may be on their way into it.
	Queue int

	// CloseTimeout bounds [Writer.Close]; 0 is 2 s.
	CloseTimeout time.Duration

	// Notice returns the line, with its line end, that tells of lost records; nil
	// is a JSON object with the fields of a [slog.JSONHandler].
	Notice func(at time.Time, dropped uint64) []byte

	// Trouble is told when the file of [OpenFile] cannot be opened by its name any
	// more, while the old file is still written, and with nil when it can again.
	// It must not block. May be nil.
	Trouble func(err error)
}

// A Writer puts a queue between those who log and a file or pipe, so that a
// full disk or a reader that stands still never holds up a request. Each Write
// is one record. What finds the queue full, and what the output does not take,
// is dropped and counted; the log itself tells how many records are missing as
// soon as it takes lines again. A Writer is safe for concurrent use.
type Writer struct {
	queue   int
	timeout time.Duration
	notice  func(time.Time, uint64) []byte
	trouble func(error)
	name    string // of the file that is followed; "" for an output of the caller's

	mu      sync.Mutex
	pending []byte
	records int // in pending
	reopen  bool
	closed  bool

	dropped atomic.Uint64
	wake    chan struct{} // holds one: there is something to do
	ended   chan struct{} // closed when the goroutine is gone

	// The goroutine's own.
	out     io.Writer
	spare   []byte
	told    uint64 // of dropped
	torn    bool   // the output ends within a line
	lost    bool   // the file's name cannot be opened
	current atomic.Pointer[os.File]
}

// NewWriter returns a Writer to out, which stays the caller's and is not
// closed. Close the Writer first.
func NewWriter(out io.Writer, cfg WriterConfig) *Writer {
	w := newWriter(cfg)
	w.out = out
	go w.run(nil)
	return w
}

// OpenFile returns a Writer that appends to the file called name, made with
// mode 0600 when it is not there. When the file was moved or removed, a new one
// is opened within a second; [Writer.Reopen] does so at once.
func OpenFile(name string, cfg WriterConfig) (*Writer, error) {
	f, err := openAppend(name)
	if err != nil {
		return nil, fmt.Errorf("accesslog: %w", err)
	}
	w := newWriter(cfg)
	w.name, w.out = name, f
	w.current.Store(f)
	ticker := time.NewTicker(rotatedCheck)
	go func() {
		defer ticker.Stop()
		w.run(ticker.C)
	}()
	return w, nil
}

func openAppend(name string) (*os.File, error) {
	return os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600) //nolint:gosec // the operator names the file
}

func newWriter(cfg WriterConfig) *Writer {
	w := &Writer{
		queue: cfg.Queue, timeout: cfg.CloseTimeout, notice: cfg.Notice,
		wake: make(chan struct{}, 1), ended: make(chan struct{}),
	}
	if w.queue <= 0 {
		w.queue = defaultQueue
	}
	if w.timeout <= 0 {
		w.timeout = defaultClose
	}
	if w.trouble = cfg.Trouble; w.trouble == nil {
		w.trouble = func(error) {}
	}
	if w.notice == nil {
		w.notice = jsonNotice
	}
	return w
}

func jsonNotice(at time.Time, dropped uint64) []byte {
	line := append([]byte(`{"time":"`), at.Format(time.RFC3339Nano)...)
	line = strconv.AppendUint(append(line, `","level":"WARN","msg":"`...), dropped, 10)
	line = strconv.AppendUint(append(line, ` records dropped","dropped":`...), dropped, 10)
	return append(line, "}\n"...)
}

// Write queues one record and never waits for the output. A dropped one is no
// error; only a closed Writer is: [os.ErrClosed].
func (w *Writer) Write(record []byte) (int, error) {
	w.mu.Lock()
	closed := w.closed
	fits := !closed && len(w.pending)+len(record) <= w.queue
	if fits {
		w.pending = append(w.pending, record...)
		w.records++
	}
	w.mu.Unlock()
	if closed {
		w.dropped.Add(1)
		return 0, fmt.Errorf("accesslog: %w", os.ErrClosed)
	}
	if !fits {
		w.dropped.Add(1)
		return len(record), nil
	}
	w.signal()
	return len(record), nil
}

// Dropped returns how many records were lost since the Writer was made.
func (w *Writer) Dropped() uint64 { return w.dropped.Load() }

// Reopen opens the file by its name again, for a rotation that told us (SIGHUP).
// It returns at once; what is queued goes to the new file. While the name cannot
// be opened the old file is used. Without a file it does nothing.
func (w *Writer) Reopen() {
	w.mu.Lock()
	w.reopen = w.name != ""
	w.mu.Unlock()
	w.signal()
}

func (w *Writer) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

var errStuck = errors.New("accesslog: the output took no more records in time")

// Close writes what is queued and closes a file that [OpenFile] opened. When
// the output does not take it within the bound, the rest is lost and Close
// returns an error.
func (w *Writer) Close() error {
	w.mu.Lock()
	first := !w.closed
	w.closed = true
	w.mu.Unlock()
	if !first {
		return nil
	}
	w.signal()
	timer := time.NewTimer(w.timeout)
	defer timer.Stop()
	select {
	case <-w.ended:
		return w.closeFile()
	case <-timer.C:
	}
	if w.name == "" { // else closing the file frees the goroutine
		if d, ok := w.out.(interface{ SetWriteDeadline(time.Time) error }); ok {
			_ = d.SetWriteDeadline(time.Now()) // an output that cannot keeps the goroutine until the process ends
		}
	}
	return errors.Join(errStuck, w.closeFile())
}

func (w *Writer) closeFile() error {
	f := w.current.Swap(nil)
	if f == nil {
		return nil
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("accesslog: %w", err)
	}
	return nil
}

// run writes until the Writer is closed. Each round takes all that waits.
func (w *Writer) run(tick <-chan time.Time) {
	defer close(w.ended)
	for {
		select {
		case <-w.wake:
		case <-tick:
			w.followRotation()
		}
		if w.round() {
			return
		}
	}
}

// round writes what waits and reports whether the Writer is closed.
func (w *Writer) round() bool {
	w.mu.Lock()
	batch, records, reopen, closed := w.pending, w.records, w.reopen, w.closed
	w.pending, w.records, w.reopen = w.spare[:0], 0, false
	w.mu.Unlock()
	if reopen {
		w.openAgain()
	}
	w.tell()
	if len(batch) > 0 {
		w.writeBatch(batch, records)
	}
	w.spare = batch[:0]
	if cap(batch) > keptBuffer && len(batch) < cap(batch)/4 {
		w.spare = nil // the memory of a burst that is over
	}
	if closed {
		w.tell()
	}
	return closed
}

// writeBatch writes the records and counts those that were not taken whole.
func (w *Writer) writeBatch(batch []byte, records int) {
	n, err := w.write(batch)
	if err == nil {
		return
	}
	whole := bytes.Count(batch[:n], []byte{'\n'})
	w.dropped.Add(uint64(max(records-whole, 1)))
}

// tell writes a line about records that were lost, so that a reader of the log
// knows that it is not whole.
func (w *Writer) tell() {
	dropped := w.dropped.Load()
	if dropped == w.told {
		return
	}
	if _, err := w.write(w.notice(time.Now(), dropped-w.told)); err == nil {
		w.told = dropped
	}
}

// write writes lines. It ends one that an earlier failure cut first.
func (w *Writer) write(lines []byte) (int, error) {
	if w.torn {
		if _, err := w.out.Write([]byte{'\n'}); err != nil {
			return 0, err //nolint:wrapcheck // counted, never shown
		}
		w.torn = false
	}
	n, err := w.out.Write(lines)
	if err == nil && n < len(lines) {
		err = io.ErrShortWrite
	}
	if err != nil {
		n = min(max(n, 0), len(lines))
		w.torn = n > 0 && lines[n-1] != '\n'
	}
	return n, err //nolint:wrapcheck // counted, never shown
}

// followRotation opens the file again when its name leads to another or to none.
func (w *Writer) followRotation() {
	f := w.current.Load()
	if f == nil {
		return
	}
	open, err := f.Stat()
	if err != nil {
		return
	}
	if named, err := os.Stat(w.name); err != nil || !os.SameFile(open, named) {
		w.openAgain()
	}
}

func (w *Writer) openAgain() {
	next, err := openAppend(w.name)
	if lost := err != nil; lost != w.lost {
		w.lost = lost
		w.trouble(err)
	}
	if err != nil {
		return // the old file still takes lines; the next check tries again
	}
	old := w.current.Load()
	if old == nil || !w.current.CompareAndSwap(old, next) { // Close was faster
		_ = next.Close()
		return
	}
	w.out, w.torn = next, false
	_ = old.Close() // every write to it has returned
}
