package seccomp

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lathe-build/lathe/profile"
)

// Document is one document of a file, as JSON.
type Document struct {
	Where string // for messages, such as "document 2"
	JSON  []byte
}

// Options say what a seccomp profile does not.
type Options struct {
	// Image is the image that it is about.
	Image profile.Image
	// Name is the name of the profile, for people.
	Name string
	// Run is the name of the run, and Scenarios are what it exercised.
	Run       string
	Scenarios []string
	// Container is the container to take of a profile that is of several.
	Container string
	// Recorded is the user's word that a recorder wrote the profile: its calls
	// were seen, not only allowed. The source still does not know what it lost.
	Recorded bool
	// Input describes the file. Its Records are set.
	Input profile.Input
}

// rules are the OCI runtime specification's linux.seccomp.
type rules struct {
	DefaultAction string    `json:"defaultAction"`
	Architectures []string  `json:"architectures"`
	ArchMap       []archMap `json:"archMap"` // docker's
	Syscalls      []rule    `json:"syscalls"`
}

type archMap struct {
	Architecture string `json:"architecture"`
}

type rule struct {
	Names  []string `json:"names"`
	Name   string   `json:"name"` // of docker's older profiles
	Action string   `json:"action"`
}

// object is kubescape's SeccompProfile, or rules alone.
type object struct {
	Kind     string   `json:"kind"`
	Metadata metadata `json:"metadata"`
	Spec     struct {
		Containers          []container `json:"containers"`
		InitContainers      []container `json:"initContainers"`
		EphemeralContainers []container `json:"ephemeralContainers"`
	} `json:"spec"`
	rules
}

type metadata struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
}

type container struct {
	Name string `json:"name"`
	Spec rules  `json:"spec"`
}

// Known reports whether a JSON document with these values of apiVersion and kind
// at its top, or, where it has neither, with these bytes, is a seccomp profile.
func Known(apiVersion, kind string, data []byte) bool {
	if apiVersion != "" || kind != "" {
		return kind == "SeccompProfile" && strings.HasPrefix(apiVersion, "spdx.softwarecomposition.kubescape.io/")
	}
	var head struct {
		DefaultAction string          `json:"defaultAction"`
		Syscalls      json.RawMessage `json:"syscalls"`
	}
	return json.Unmarshal(data, &head) == nil && strings.HasPrefix(head.DefaultAction, "SCMP_ACT_") && head.Syscalls != nil
}

// Import makes an unbound profile of the calls that are allowed, with one source
// for each document. Errors name the document and the field.
func Import(docs []Document, opts Options) (*profile.Profile, error) {
	opts.Input.Format, opts.Input.Records = "seccomp", int64(len(docs))
	var parts []*profile.Profile
	for _, doc := range docs {
		p, err := one(doc, opts)
		if err != nil {
			if doc.Where != "" {
				err = fmt.Errorf("%s: %w", doc.Where, err)
			}
			return nil, fmt.Errorf("importing seccomp: %w", err)
		}
		parts = append(parts, p)
	}
	if len(parts) == 0 {
		return nil, errors.New("importing seccomp: the input is empty")
	}
	p, err := profile.Merge(parts...)
	if err == nil {
		err = p.Validate()
	}
	if err != nil {
		return nil, fmt.Errorf("importing seccomp: %w", err)
	}
	return p, nil
}

func one(doc Document, opts Options) (*profile.Profile, error) {
	var o object
	if err := json.Unmarshal(doc.JSON, &o); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			return nil, fmt.Errorf("%s: a %s is of the wrong type", wrong.Field, wrong.Value)
		}
		return nil, err
	}
	name, from, err := o.choose(opts.Container)
	if err != nil {
		return nil, err
	}
	source := profile.Source{
		Kind:      profile.KindDeclared,
		Recorder:  profile.Recorder{Name: "seccomp", Method: "config"},
		Input:     opts.Input,
		Run:       opts.Run,
		Scenarios: opts.Scenarios,
		Observes:  []string{profile.ObservesSyscalls},
		Subject: profile.Subject{
			Image: opts.Image.Digest, Container: name, Workload: profile.Workload{Namespace: o.Metadata.Namespace},
		},
	}
	if opts.Recorded {
		source.Kind = profile.KindObserved
	}
	if from.DefaultAction == "SCMP_ACT_ALLOW" || from.DefaultAction == "SCMP_ACT_LOG" {
		source.Notes = append(source.Notes, "the profile allows by default: the calls that it names are not all")
	}
	names, odd := from.allowed()
	if odd > 0 {
		source.Notes = append(source.Notes, fmt.Sprintf("names that are no system call's are left out: %d", odd))
	}
	source.ID = profile.SourceID(source)
	p := &profile.Profile{Metadata: profile.Metadata{Name: opts.Name}, Sources: []profile.Source{source}}
	if opts.Image.Digest != "" || len(opts.Image.ConfigDigest)+len(opts.Image.Refs) > 0 {
		p.Images = []profile.Image{opts.Image}
	}
	arch := from.arch()
	for _, call := range names {
		p.Syscalls = append(p.Syscalls, profile.Syscall{Name: call, Arch: arch, Seen: []string{source.ID}})
	}
	return p, nil
}

// choose gives the rules of one container, or those of a plain file.
func (o object) choose(name string) (string, rules, error) {
	all := slices.Concat(o.Spec.Containers, o.Spec.InitContainers, o.Spec.EphemeralContainers)
	if len(all) == 0 {
		if o.DefaultAction == "" {
			return "", rules{}, errors.New("it has no defaultAction: it is no seccomp profile")
		}
		return name, o.rules, nil
	}
	if name == "" && len(o.Spec.Containers) == 1 {
		name = o.Spec.Containers[0].Name
	}
	var names []string
	for _, c := range all {
		if c.Name == name {
			return name, c.Spec, nil
		}
		names = append(names, c.Name)
	}
	slices.Sort(names)
	if name != "" {
		return "", rules{}, fmt.Errorf("it has no container %q, only %q", name, names)
	}
	return "", rules{}, fmt.Errorf("it is of the containers %q: choose one with --container NAME", names)
}

// allowed are the calls that may be made, sorted, and how many names are none.
func (r rules) allowed() (names []string, odd int) {
	for _, x := range r.Syscalls {
		if x.Action != "SCMP_ACT_ALLOW" && x.Action != "SCMP_ACT_LOG" {
			continue
		}
		for _, name := range append([]string{x.Name}, x.Names...) {
			switch {
			case name == "" && x.Name == "":
			case isWord(name):
				names = append(names, name)
			default:
				odd++
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names), odd
}

func isWord(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// arch gives the architectures in GOARCH's words, where they are known.
func (r rules) arch() []string {
	list := slices.Clone(r.Architectures)
	for _, a := range r.ArchMap {
		list = append(list, a.Architecture)
	}
	words := map[string]string{
		"SCMP_ARCH_X86_64": "amd64", "SCMP_ARCH_X86": "386", "SCMP_ARCH_AARCH64": "arm64", "SCMP_ARCH_ARM": "arm",
		"SCMP_ARCH_PPC64LE": "ppc64le", "SCMP_ARCH_S390X": "s390x", "SCMP_ARCH_RISCV64": "riscv64", "SCMP_ARCH_MIPS64": "mips64",
	}
	var out []string
	for _, a := range list {
		if word, ok := words[a]; ok {
			out = append(out, word)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
