package harden

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// TestRecordsGiveBackWhatTheyTook, also when there are more values than a table
// looks for, after settling, and when some are replaced.
func TestRecordsGiveBackWhatTheyTook(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(7, 1))
	make1 := func(i int) Record {
		rec := Record{
			Layer: i % 5, Path: fmt.Sprintf("usr/f%d", i), Type: "file", Class: classNames()[i%7], Action: ActKeep, Size: int64(i),
			Reason: Reason{Kind: PackageFile, From: fmt.Sprintf("usr/d%d", r.IntN(40_000)), Note: "package x"},
			Meta:   Meta{Mode: 0o644, UID: r.IntN(3), MTime: fmt.Sprintf("2026-01-01T00:00:%02dZ", r.IntN(60)), Link: fmt.Sprint(r.IntN(30_000))},
		}
		switch i % 4 {
		case 0:
			rec.SHA256 = Digest{byte(i), 1}
		case 1:
			rec.Action = ActDrop
		case 2:
			rec.Action, rec.NewSize, rec.content = ActRewrite, int64(i/2), []byte{byte(i)}
		}
		return rec
	}
	var want []Record
	var got Records
	for i := range 60_000 {
		want = append(want, make1(i))
		got.Append(want[i])
	}
	got.settle()
	for range 500 {
		i := r.IntN(len(want))
		want[i] = make1(i + 1)
		got.Set(i, want[i])
	}
	got.Append(Record{})
	want = append(want, Record{})
	if got.Len() != len(want) {
		t.Fatalf("%d records, want %d", got.Len(), len(want))
	}
	for i, rec := range got.All() {
		if reflect.DeepEqual(want[i], rec) { // a hundred times faster
			continue
		}
		if diff := cmp.Diff(want[i], rec, cmp.AllowUnexported(Record{}), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("record %d (-want +got):\n%s", i, diff)
		}
	}
}

func TestRecordsShare(t *testing.T) {
	t.Parallel()
	var l Records
	for i := range 1000 {
		l.Append(Record{Path: fmt.Sprint(i), Type: "file", Action: ActKeep, Reason: Reason{Kind: Unowned}, Meta: Meta{Mode: 0o644}})
	}
	if len(l.reasons.list) != 1 || len(l.metas.list) != 1 || len(l.words.list) != 3 {
		t.Errorf("%d reasons, %d metas and %d words for equal records", len(l.reasons.list), len(l.metas.list), len(l.words.list))
	}
}
