package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// sameConfig compares the config of a hardened image with its original's, but
// for the fields that hardening writes: the diff IDs, and the history, in which
// a layer that is gone is an empty one.
func sameConfig(original, hardened v1.Image) error {
	want, err := configFields(original)
	if err != nil {
		return err
	}
	got, err := configFields(hardened)
	if err != nil {
		return err
	}
	names := slices.Sorted(maps.Keys(want))
	names = append(names, slices.Sorted(maps.Keys(got))...)
	for _, name := range names {
		if name != "rootfs" && name != "history" && !reflect.DeepEqual(want[name], got[name]) {
			return fmt.Errorf("the config's field %q is not the source's", name)
		}
	}
	return nil
}

func configFields(img v1.Image) (map[string]any, error) {
	raw, err := img.RawConfigFile()
	if err != nil {
		return nil, fmt.Errorf("reading the config: %w", err)
	}
	var fields map[string]any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&fields); err != nil {
		return nil, fmt.Errorf("reading the config: %w", err)
	}
	return fields, nil
}
