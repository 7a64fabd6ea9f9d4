package image

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Commit makes everything under Path durable and moves it to its final place.
// On an error nothing has changed there, and the staging is still to be
// aborted.
func (s *Staging) Commit() error { return CommitAll([]*Staging{s}, nil) }

// CommitAll commits several outputs as one: all are made durable and checked,
// then all are moved, then last is called, unless it is nil. When a step fails,
// those that were moved are moved back, so that everything is as it was; an
// error to do so is part of what is returned. The stagings are then still to be
// aborted.
func CommitAll(list []*Staging, last func() error) error {
	for _, s := range list {
		if err := s.prepare(); err != nil {
			return err
		}
	}
	err := moveAll(list)
	if err == nil && last != nil {
		err = last()
	}
	if err != nil {
		for _, s := range slices.Backward(list) {
			err = errors.Join(err, s.moveBack())
		}
		return err
	}
	for _, s := range list {
		// The output is in its place. What is left, such as the replaced one, is
		// not worth an error: the next run removes it.
		_ = s.Abort()
	}
	return nil
}

// prepare makes what was built durable and looks once more where it goes.
func (s *Staging) prepare() error {
	if s.done {
		return errors.New("the output was committed or aborted before")
	}
	if err := syncTree(s.Path()); err != nil {
		return fmt.Errorf("writing output %s: %w", s.final, err)
	}
	return s.check(s.final, s.force)
}

func moveAll(list []*Staging) error {
	for _, s := range list {
		if err := s.move(); err != nil {
			return fmt.Errorf("moving output to %s: %w", s.final, err)
		}
	}
	for _, s := range list {
		if err := syncDir(filepath.Dir(s.final)); err != nil {
			return fmt.Errorf("writing output %s: %w", s.final, err)
		}
	}
	return nil
}

func (s *Staging) move() error {
	_, err := os.Lstat(s.final)
	if errors.Is(err, fs.ErrNotExist) {
		if err := renameNew(s.Path(), s.final); err != nil {
			return err
		}
		s.back = func() error { return renameNew(s.final, s.Path()) }
		return nil
	}
	if err != nil {
		return err
	}
	err = exchange(s.Path(), s.final)
	if errors.Is(err, errors.ErrUnsupported) {
		return s.replace()
	}
	if err == nil {
		s.back = func() error { return exchange(s.Path(), s.final) }
	}
	return err
}

// replace moves the old output away and the new one in, and the old one back
// if that fails. Between the two steps there is no output.
func (s *Staging) replace() error {
	old := filepath.Join(s.temp, stagingOld)
	if err := os.Rename(s.final, old); err != nil {
		return err
	}
	if err := renameNew(s.Path(), s.final); err != nil {
		return errors.Join(err, os.Rename(old, s.final))
	}
	s.back = func() error {
		return errors.Join(renameNew(s.final, s.Path()), renameNew(old, s.final))
	}
	return nil
}

// moveBack undoes move, if there was one.
func (s *Staging) moveBack() error {
	if s.back == nil {
		return nil
	}
	err := s.back()
	s.back = nil
	if err == nil {
		err = syncDir(filepath.Dir(s.final))
	}
	if err != nil {
		// What was replaced must not be removed with the rest, nor as a leftover.
		s.keep = true
		dir, base := filepath.Split(s.temp)
		if named := dir + strings.TrimPrefix(base, "."); os.Rename(s.temp, named) == nil {
			s.temp = named
		}
		return fmt.Errorf("moving output %s back: %w; what was there is in %s", s.final, err, s.temp)
	}
	return nil
}
