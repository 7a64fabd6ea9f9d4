package trace

import (
	"encoding/binary"
	"net/netip"
	"strings"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/lathe-build/lathe/profile/fold"
)

const (
	maxStreams   = 256     // TCP connections to name servers that are followed at once
	maxStream    = 1 << 16 // bytes of a message
	maxQuestions = 16      // of a message
	maxAnswers   = 256     // of a message
)

// lookup is a question of a message and its answers.
type lookup struct {
	name, kind string
	answers    []string
}

// readDNS reads a message of the Domain Name System (RFC 1035). A message that
// is cut gives what is whole.
func readDNS(raw []byte) []lookup {
	var p dnsmessage.Parser
	if _, err := p.Start(raw); err != nil {
		return nil
	}
	var out []lookup
	for len(out) < maxQuestions {
		q, err := p.Question()
		if err != nil {
			break
		}
		out = append(out, lookup{name: q.Name.String(), kind: strings.TrimPrefix(q.Type.String(), "Type")})
	}
	if len(out) == 0 || p.SkipAllQuestions() != nil {
		return out
	}
	var answers []string
	for len(answers) < maxAnswers {
		r, err := p.Answer()
		if err != nil {
			break
		}
		if text := answerOf(r.Body); text != "" {
			answers = append(answers, text)
		}
	}
	if len(out) == 1 { // nobody answers several questions at once
		out[0].answers = answers
	}
	return out
}

func answerOf(body dnsmessage.ResourceBody) string {
	switch b := body.(type) {
	case *dnsmessage.AResource:
		return netip.AddrFrom4(b.A).String()
	case *dnsmessage.AAAAResource:
		return netip.AddrFrom16(b.AAAA).String()
	case *dnsmessage.CNAMEResource:
		return b.CNAME.String()
	case *dnsmessage.PTRResource:
		return b.PTR.String()
	case *dnsmessage.SRVResource:
		return b.Target.String()
	case *dnsmessage.MXResource:
		return b.MX.String()
	case *dnsmessage.NSResource:
		return b.NS.String()
	default:
		return ""
	}
}

// data notes a message to or from a name server.
func (f *folder) data(e event) {
	if e.sock.kind != sockStream {
		f.message(e, []byte(e.text))
		return
	}
	for _, message := range f.streams.add(streamKey{e.aux, e.arg&argOut != 0}, e.text) {
		f.message(e, message)
	}
}

func (f *folder) message(e event, raw []byte) {
	for _, l := range readDNS(raw) {
		if l.name = strings.TrimSuffix(l.name, "."); l.name == "" {
			continue // the root
		}
		f.facts.DNS(fold.DNS{Name: l.name, Type: l.kind, Answers: l.answers, By: f.by(e)})
	}
}

// streamKey is one direction of a connection, by the inode of its socket.
type streamKey struct {
	ino uint64
	out bool
}

// streams puts the messages of TCP connections together, each of which has its
// length in front.
type streams struct {
	parts map[streamKey]string
}

// add adds bytes to a stream and returns the messages that are whole now. Where
// there are too many streams, all are forgotten.
func (s *streams) add(key streamKey, text string) [][]byte {
	if s.parts == nil || len(s.parts) >= maxStreams {
		s.parts = map[streamKey]string{}
	}
	text = s.parts[key] + text
	var out [][]byte
	for len(text) >= 2 {
		n := int(binary.BigEndian.Uint16([]byte(text[:2])))
		if len(text) < 2+n {
			break
		}
		out = append(out, []byte(text[2:2+n]))
		text = text[2+n:]
	}
	delete(s.parts, key)
	if text != "" && len(text) <= 2+maxStream {
		s.parts[key] = text
	}
	return out
}
