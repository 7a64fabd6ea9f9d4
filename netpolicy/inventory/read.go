package inventory

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Limits bound what is read. The zero value stands for the defaults.
type Limits struct {
	Bytes     int64 // of a file; 1 GiB
	ItemBytes int64 // of an object; 8 MiB
	Items     int   // objects of all files; 1,000,000
}

// Defaults of [Limits].
const (
	MaxBytes     = 1 << 30
	MaxItemBytes = 8 << 20
	MaxItems     = 1_000_000
)

func (l Limits) orDefault() Limits {
	if l.Bytes == 0 {
		l.Bytes = MaxBytes
	}
	if l.ItemBytes == 0 {
		l.ItemBytes = MaxItemBytes
	}
	if l.Items == 0 {
		l.Items = MaxItems
	}
	return l
}

// Read adds a List, or a single object, as kubectl prints it in JSON. One object
// is in memory at a time. Errors name the object by its place and name.
func (c *Cluster) Read(r io.Reader, limits Limits) error {
	limits = limits.orDefault()
	in := &budget{r: r, left: limits.Bytes, item: limits.ItemBytes, itemMax: limits.ItemBytes}
	dec := json.NewDecoder(in)
	if err := c.document(dec, in, limits); err != nil {
		return fmt.Errorf("reading inventory: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("reading inventory: data behind the list")
	}
	c.index()
	return nil
}

// document reads the top object. Its fields are read one by one, so that items
// are met without holding them all; what comes with them is passed over.
func (c *Cluster) document(dec *json.Decoder, in *budget, limits Limits) error {
	if err := delim(dec, '{'); err != nil {
		return fmt.Errorf("this is not what kubectl -o json prints: %w", err)
	}
	listed := false
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return err
		}
		if key == "items" && listed {
			return errors.New("field \"items\" is there twice")
		}
		if key == "items" {
			listed = true
			if err := c.list(dec, in, limits); err != nil {
				return err
			}
			continue
		}
		var rest json.RawMessage
		in.item = in.itemMax
		if err := dec.Decode(&rest); err != nil {
			return err
		}
	}
	if err := delim(dec, '}'); err != nil {
		return err
	}
	if !listed {
		return errors.New("no field \"items\": this is not a list that kubectl get -o json prints")
	}
	return nil
}

func (c *Cluster) list(dec *json.Decoder, in *budget, limits Limits) error {
	if err := delim(dec, '['); err != nil {
		return fmt.Errorf("items: %w", err)
	}
	for i := 0; dec.More(); i++ {
		if c.items++; c.items > limits.Items {
			return fmt.Errorf("more than %d objects", limits.Items)
		}
		in.item = in.itemMax
		var o object
		if err := dec.Decode(&o); err != nil {
			return fmt.Errorf("items[%d]: %w", i, err)
		}
		if err := c.add(o); err != nil {
			return fmt.Errorf("items[%d]: %.40q %.120q: %w", i, o.Kind, ref{o.Metadata.Namespace, o.Metadata.Name}.String(), err)
		}
	}
	return delim(dec, ']')
}

func delim(dec *json.Decoder, want json.Delim) error {
	token, err := dec.Token()
	if err != nil {
		return err
	}
	if token != want {
		return fmt.Errorf("byte %d: %s is missing", dec.InputOffset(), want)
	}
	return nil
}

// budget bounds what a decoder takes: of the whole, and since item was last set,
// which a decoder reads at most one buffer ahead of.
type budget struct {
	r             io.Reader
	left          int64
	item, itemMax int64
}

func (b *budget) Read(p []byte) (int, error) {
	switch {
	case b.left <= 0:
		return 0, errors.New("the file is larger than the limit")
	case b.item <= 0:
		return 0, fmt.Errorf("an object is larger than %d bytes", b.itemMax)
	}
	p = p[:min(int64(len(p)), b.left, b.item)]
	n, err := b.r.Read(p)
	b.left -= int64(n)
	b.item -= int64(n)
	return n, err
}
