package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/lathe-build/lathe/internal/events"
	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/profile/foreign"
	"github.com/lathe-build/lathe/profile/formats"
)

// Events writes a file of that many events of a stream, of which one in 20 is of
// something new.
func Events(stream string, n int, name string) error {
	f, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("writing events: %w", err)
	}
	_, err = io.Copy(f, events.Reader(stream, n, n/20))
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("writing events: %w", err)
	}
	return nil
}

// Import imports a file of events.
func Import(ctx context.Context, stream, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("importing: %w", err)
	}
	defer f.Close() //nolint:errcheck // read only
	p, err := importFrom(ctx, stream, f)
	if err != nil {
		return err
	}
	if s := p.Sources[0].Input; s.Skipped > 0 {
		return fmt.Errorf("importing: %d of %d events were skipped", s.Skipped, s.Records)
	}
	return nil
}

// Stream imports that many events, which are made as they are read.
func Stream(ctx context.Context, stream string, n, distinct int) error {
	p, err := importFrom(ctx, stream, events.Reader(stream, n, distinct))
	if err != nil {
		return err
	}
	if s := p.Sources[0].Input; s.Records != int64(n) || s.Skipped > 0 {
		return fmt.Errorf("importing: %d of %d events, %d skipped", s.Records, n, s.Skipped)
	}
	return nil
}

func importFrom(ctx context.Context, stream string, r io.Reader) (*profile.Profile, error) {
	format, err := formats.Find(events.Format(stream))
	if err != nil {
		return nil, err
	}
	in, err := foreign.Open("events.json", r)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	return format.Import(ctx, []*foreign.Input{in}, foreign.Options{})
}

// Decode decodes a file of events with encoding/json and forgets what it finds.
func Decode(name string, event func() any) error {
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("decoding: %w", err)
	}
	defer f.Close() //nolint:errcheck // read only
	in := bufio.NewReaderSize(f, 64<<10)
	for {
		line, err := in.ReadSlice('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = json.Unmarshal(line, event())
		}
		if err != nil {
			return fmt.Errorf("decoding: %w", err)
		}
	}
}

// Files is a profile of n files, as a program opens them.
func Files(n int) *profile.Profile {
	s := profile.Source{Kind: profile.KindObserved, Recorder: profile.Recorder{Name: "bench"}}
	s.ID = profile.SourceID(s)
	p := &profile.Profile{Sources: []profile.Source{s}}
	for i := range n {
		p.Files = append(p.Files, profile.File{
			Path:   profile.Path(fmt.Sprintf("/usr/lib/python3/site-packages/package%d/module%d.py", i/50, i)),
			Access: []string{profile.AccessOpen, profile.AccessRead}, By: []string{"/usr/bin/python3"},
			Phase: []string{profile.PhaseStartup}, Seen: []string{s.ID},
		})
	}
	return p
}

// WriteFiles writes the profile of [Files].
func WriteFiles(n int, name string) error {
	var b bytes.Buffer
	if err := Files(n).Write(&b); err != nil {
		return err
	}
	return os.WriteFile(name, b.Bytes(), 0o644)
}

// ReadFiles reads what [WriteFiles] wrote.
func ReadFiles(n int, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("reading the profile: %w", err)
	}
	defer f.Close() //nolint:errcheck // read only
	p, err := profile.Read(f, profile.Limits{})
	if err == nil && len(p.Files) != n {
		err = fmt.Errorf("the profile has %d files, not %d", len(p.Files), n)
	}
	return err
}
