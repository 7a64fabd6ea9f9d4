package trace

import (
	"net/netip"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// Whatever the ring holds, it is folded without a panic, in bounded memory, to a
// profile that is valid.
func FuzzFold(f *testing.F) {
	f.Add(raw(executed(1, 0, "/bin/sh", "sh", "-c")), raw(event{kind: eventPath, exe: 1, nr: 257, text: "/x", full: names("/y"), dev: 1}))
	f.Add(raw(event{kind: eventFD, nr: 9, full: names("/a/b")}), raw(event{kind: eventCap, mode: 21}))
	for kind := uint8(eventConnect); kind <= eventTCP; kind++ {
		s := tcp4("192.0.2.1:53")
		f.Add(raw(event{kind: kind, sock: s, text: "x"}), raw(event{kind: kind, sock: socket{family: familyUnix}, text: "\x00y"}))
		s.family, s.remote, s.local = familyIPv6, netip.MustParseAddrPort("[2001:db8::1]:1"), netip.MustParseAddrPort("[::1]:53")
		f.Add(raw(event{kind: kind, sock: s}), []byte{})
	}
	f.Add(raw(event{kind: eventData, sock: udp4("192.0.2.1:53"), text: string(packet(f, "a.", dnsmessage.TypeA))}), []byte("short"))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		fold := newFolder(Options{Resolve: smallImage, Argv: true}, amd64Names())
		for range 2 {
			fold.fold(first)
			fold.fold(second)
		}
		p, err := fold.facts.Profile("", fold.source(ending{}))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Canonical(); err != nil {
			t.Fatal(err)
		}
	})
}

// What is encoded as the kernel side does it decodes to the same.
func FuzzDecode(f *testing.F) {
	f.Add([]byte("text"), []byte("b\x00"), []byte("c\x00"), uint8(eventPath))
	f.Fuzz(func(t *testing.T, text, base, full []byte, kind uint8) {
		if len(text)+len(base)+len(full) > 1<<15 {
			return
		}
		want := event{kind: kind, text: string(text), base: base, full: full}
		got, err := decode(raw(want))
		if err != nil {
			t.Fatal(err)
		}
		if got.text != want.text || string(got.base) != string(base) || string(got.full) != string(full) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
}

func FuzzDNS(f *testing.F) {
	f.Add(packet(f, "a.example.", dnsmessage.TypeA, &dnsmessage.AResource{A: [4]byte{1, 2, 3, 4}}))
	f.Add([]byte("\x00\x01"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, l := range readDNS(raw) {
			if len(l.answers) > maxAnswers || l.kind == "" {
				t.Errorf("%+v", l)
			}
		}
	})
}
