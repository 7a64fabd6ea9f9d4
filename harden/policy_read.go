package harden

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// PolicyKind is the kind of a policy document. Its version is [APIVersion].
const PolicyKind = "HardeningPolicy"

// ReadPolicy reads one policy in YAML or JSON. It is strict: fields, classes and
// words that it does not know, repeated fields, several documents, aliases and
// texts of the wrong type are errors. An error begins with name, which should be
// the base name of a file since it goes into plans, and the line.
func ReadPolicy(r io.Reader, name string) (*Policy, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxPolicyBytes+1))
	if err != nil {
		return nil, fmt.Errorf("reading the policy %s: %w", name, err)
	}
	if len(data) > MaxPolicyBytes {
		return nil, fmt.Errorf("%s: the policy is over %d bytes", name, MaxPolicyBytes)
	}
	root, err := parsePolicy(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	sum := sha256.Sum256(data)
	d := &policyReader{name: name, policy: &Policy{File: &PolicyFile{Name: name, SHA256: hex.EncodeToString(sum[:])}}}
	if err := d.document(root); err != nil {
		return nil, err
	}
	if err := d.policy.Validate(); err != nil {
		if !strings.HasPrefix(err.Error(), name+":") {
			err = fmt.Errorf("%s: %w", name, err)
		}
		return nil, err
	}
	return d.policy, nil
}

// policyReader fills in a policy from the nodes of a document.
type policyReader struct {
	name   string
	policy *Policy
	rules  int
}

// at says where a node is.
func (d *policyReader) at(n *yaml.Node) string { return d.name + ":" + strconv.Itoa(n.Line) }

func (d *policyReader) fail(n *yaml.Node, field, format string, args ...any) error {
	if field != "" {
		format = field + ": " + format
	}
	return fmt.Errorf("%s: %s", d.at(n), fmt.Sprintf(format, args...))
}

// reader reads the value of a field.
type reader func(n *yaml.Node, field string) error

func (d *policyReader) document(root *yaml.Node) error {
	var version, kind string
	p := d.policy
	err := d.object(root, "", map[string]reader{
		"apiVersion": d.text(&version), "kind": d.text(&kind),
		"metadata":        d.metadata,
		"level":           d.level,
		"rebase":          d.boolean(&p.Rebase),
		"allowIncomplete": d.boolean(&p.AllowIncomplete),
		"allowStaleRPMDB": d.boolean(&p.AllowStaleRPMDB),
		"keepAttached":    d.boolean(&p.KeepAttached),
		"plugins":         d.word((*string)(&p.Plugins), string(KeepPlugins), string(DropUnloaded)),
		"sbom":            d.word((*string)(&p.SBOM), string(KeepSBOM), string(DropSBOM)),
		"keep":            d.list(d.rule(DoKeep)), "drop": d.list(d.rule(DoDrop)), "deny": d.list(d.rule(DoDeny)),
		"answers": d.list(d.answer),
		"trust":   d.list(d.trust),
	})
	if root.Kind == yaml.MappingNode && (version != APIVersion || kind != PolicyKind) {
		return d.fail(root, "", "apiVersion is %q and kind is %q, not %s and %s", version, kind, APIVersion, PolicyKind)
	}
	return err
}

func (d *policyReader) level(n *yaml.Node, field string) error {
	var name string
	if err := d.text(&name)(n, field); err != nil {
		return err
	}
	l, err := ParseLevel(name)
	if err != nil {
		return d.fail(n, field, "%v", err)
	}
	d.policy.Level = l
	return nil
}

// metadata is a name for people.
func (d *policyReader) metadata(n *yaml.Node, field string) error {
	var name string
	return d.object(n, field, map[string]reader{"name": d.text(&name)})
}

// rule reads a keep, drop or deny rule.
func (d *policyReader) rule(do Verb) reader {
	return func(n *yaml.Node, field string) error {
		r := Rule{Do: do, From: d.at(n)}
		fields := map[string]reader{"class": d.word(&r.Class, toolClasses()...), "reason": d.text(&r.Reason)}
		if do != DoDeny {
			fields["path"], fields["package"], fields["history"] = d.glob(&r.Path), d.text(&r.Package), d.text(&r.History)
			fields["layer"] = d.layer(&r.Layer)
		}
		if do == DoKeep {
			fields["scriptCommands"] = d.glob(&r.ScriptCommands)
		}
		if err := d.object(n, field, fields); err != nil {
			return err
		}
		d.policy.Rules = append(d.policy.Rules, r)
		return nil
	}
}

func (d *policyReader) answer(n *yaml.Node, field string) error {
	a := Answer{From: d.at(n)}
	var take string
	err := d.object(n, field, map[string]reader{
		"path": d.glob(&a.Path), "take": d.word(&take, string(DoKeep), string(DoDrop)), "reason": d.text(&a.Reason),
	})
	switch {
	case err != nil:
		return err
	case a.Path == "":
		return d.fail(n, field, "path is missing")
	case take == "":
		return d.fail(n, field, "take is missing: keep or drop")
	case a.Reason == "":
		return d.fail(n, field, "reason is missing")
	}
	a.Keep = take == string(DoKeep)
	d.policy.Answers = append(d.policy.Answers, a)
	return nil
}

func (d *policyReader) trust(n *yaml.Node, field string) error {
	t := Trust{From: d.at(n)}
	err := d.object(n, field, map[string]reader{
		"source": d.text(&t.Source), "reason": d.text(&t.Reason),
		"observes": d.list(func(n *yaml.Node, field string) error {
			var flag string
			if err := d.text(&flag)(n, field); err != nil {
				return err
			}
			t.Observes = append(t.Observes, flag)
			return nil
		}),
	})
	if err != nil {
		return err
	}
	if err := t.check(); err != nil {
		return d.fail(n, field, "%v", err)
	}
	d.policy.Trust = append(d.policy.Trust, t)
	return nil
}

// object reads the fields of a mapping, each at most once.
func (d *policyReader) object(n *yaml.Node, field string, fields map[string]reader) error {
	if n.Kind != yaml.MappingNode || n.ShortTag() != "!!map" {
		return d.fail(n, field, "it is %s, not a mapping", what(n))
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		name := key.Value
		inner := name
		if field != "" {
			inner = field + "." + name
		}
		read, known := fields[name]
		switch {
		case key.Kind != yaml.ScalarNode || key.ShortTag() != "!!str" || !known:
			return d.fail(key, field, "no such field: %s", what(key))
		case seen[name]:
			return d.fail(key, inner, "it is given twice")
		}
		seen[name] = true
		if err := read(value, inner); err != nil {
			return err
		}
	}
	return nil
}

// list reads the members of a sequence.
func (d *policyReader) list(read reader) reader {
	return func(n *yaml.Node, field string) error {
		if n.Kind != yaml.SequenceNode || n.ShortTag() != "!!seq" {
			return d.fail(n, field, "it is %s, not a list", what(n))
		}
		if d.rules += len(n.Content); d.rules > MaxRules {
			return d.fail(n, field, "more than %d rules", MaxRules)
		}
		for i, member := range n.Content {
			if err := read(member, field+"["+strconv.Itoa(i)+"]"); err != nil {
				return err
			}
		}
		return nil
	}
}

// text reads a text that is not empty.
func (d *policyReader) text(to *string) reader {
	return func(n *yaml.Node, field string) error {
		switch {
		case n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str":
			return d.fail(n, field, "it is %s, not a text", what(n))
		case n.Value == "":
			return d.fail(n, field, "it is empty")
		case len(n.Value) > MaxPolicyText:
			return d.fail(n, field, "it is over %d bytes", MaxPolicyText)
		case !utf8.ValidString(n.Value) || strings.ContainsFunc(n.Value, isControl):
			return d.fail(n, field, "it has a control character")
		}
		*to = n.Value
		return nil
	}
}

func isControl(r rune) bool {
	return r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029'
}

// glob reads a path or glob.
func (d *policyReader) glob(to *string) reader {
	return func(n *yaml.Node, field string) error {
		if err := d.text(to)(n, field); err != nil {
			return err
		}
		if _, err := cleanGlob(*to); err != nil {
			return d.fail(n, field, "%v", err)
		}
		return nil
	}
}

// word reads one of a few words.
func (d *policyReader) word(to *string, words ...string) reader {
	return func(n *yaml.Node, field string) error {
		if err := d.text(to)(n, field); err != nil {
			return err
		}
		for _, w := range words {
			if *to == w {
				return nil
			}
		}
		return d.fail(n, field, "it is %q, not %s", *to, strings.Join(words, ", "))
	}
}

// layer reads a position or a digest.
func (d *policyReader) layer(to *string) reader {
	return func(n *yaml.Node, field string) error {
		if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!int" {
			if err := d.text(to)(n, field); err != nil {
				return err
			}
			if !strings.HasPrefix(*to, "sha256:") {
				return d.fail(n, field, "it is %q, neither a position nor a sha256 digest", *to)
			}
		}
		*to = n.Value
		if err := checkLayer(*to); err != nil {
			return d.fail(n, field, "%v", err)
		}
		return nil
	}
}

func (d *policyReader) boolean(to *bool) reader {
	return func(n *yaml.Node, field string) error {
		if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!bool" {
			return d.fail(n, field, "it is %s, not true or false", what(n))
		}
		*to = strings.EqualFold(n.Value, "true")
		return nil
	}
}
