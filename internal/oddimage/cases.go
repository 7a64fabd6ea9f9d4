package oddimage

import (
	"fmt"
	"strings"

	"github.com/lathe-build/lathe/internal/testimage"
)

// Cases is the table, in a fixed order.
func Cases() ([]Case, error) {
	var all []Case
	for _, group := range [][]textCase{whiteouts(), hardLinks(), merged(), names()} {
		for _, tc := range group {
			c := Case{Name: tc.name, Late: tc.late, OwnProgram: strings.Contains(tc.text, "elf app")}
			for i, text := range strings.Split(tc.text, "\n---\n") {
				l, err := textLayer(text, i)
				if tc.bare {
					l.Archive, err = testimage.Tar(text)
				}
				if err != nil {
					return nil, fmt.Errorf("%s: %w", tc.name, err)
				}
				c.Layers = append(c.Layers, l)
			}
			all = append(all, c)
		}
	}
	for _, build := range []func() ([]Case, error){headers, sparse, compressions} {
		list, err := build()
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	return all, nil
}

// textCase is a case in the language of testimage.
type textCase struct {
	name, text string
	late       bool
	bare       bool // layers hold what the text says and nothing else
}

func whiteouts() []textCase {
	return []textCase{
		{name: "whiteout", text: "file d/a\nfile d/b\n---\ngone d/a\nfile c"},
		{name: "whiteout and back", text: "file a = 1\n---\ngone a\n---\nfile a = 3"},
		{name: "whiteout before its own name", text: "file a = 1\n---\ngone a\nfile a = 2"},
		{name: "whiteout after its own name", text: "file a = 1\n---\nfile a = 2\ngone a"},
		{name: "whiteout of nothing", text: "file a\n---\ngone b\ngone c/d"},
		{name: "whiteout of a directory", text: "dir a\nfile a/b/c\nfile d\n---\ngone a"},
		{name: "whiteout below a replaced directory", text: "dir a\nfile a/b\n---\nfile a = now a file\n---\ngone a/b"},
		{name: "layer of one whiteout", text: "file secret\nfile b\n---\ngone secret"},
		{name: "layer of nothing but a whiteout", text: "file secret\nfile b\n---\ngone secret", bare: true},
		{name: "layer of nothing but a whiteout of nothing", text: "file b\n---\ngone c", bare: true},
		{name: "layer of nothing but an opaque marker", text: "dir d\nfile d/secret\nfile b\n---\nopaque d", bare: true},
		{name: "layer of nothing but a whiteout between others", text: "file a = 1\n---\ngone a\n---\nfile a = 3\n---\ngone a", bare: true},
		{name: "layer of nothing", text: "file a\n---\n\n---\nfile b", bare: true},
		{name: "opaque first", text: "dir a\nfile a/b\n---\nopaque a\ndir a\nfile a/c"},
		{name: "opaque last", text: "dir a\nfile a/b\n---\ndir a\nfile a/c\nopaque a"},
		{name: "opaque below opaque", text: "dir a/b/c\nfile a/x\nfile a/b/x\nfile a/b/c/x\n---\nopaque a/b/c\nopaque a/b\nopaque a\nfile a/b/c/y"},
		{name: "opaque in each layer", text: "file a/1\n---\nfile a/2\nopaque a\n---\nopaque a\nfile a/3\n---\nfile a/1 = again\nopaque a"},
		{name: "opaque root", text: "file a\nfile d/b\n---\nopaque .\nelf app type=exec\ndir etc\nfile etc/os-release = ID=odd\\n\nfile c"},
		{name: "opaque with a whiteout beside", text: "file a/1\nfile a/2\n---\nopaque a\ngone a/1\nfile a/3"},
		{name: "aufs leftovers", text: "file a\nfile .wh..wh.aufs\nfile .wh..wh.plnk/1.2\nfile .wh..wh.orph/x"},
		{name: "whiteout through a link", text: "dir usr/lib\nfile usr/lib/x\nfile usr/lib/y\nlink lib -> usr/lib\n---\ngone lib/x"},
		{name: "whiteout through an absolute link", text: "dir usr/lib\nfile usr/lib/x\nfile usr/lib/y\nlink lib -> /usr/lib\n---\ngone lib/x"},
		{name: "whiteout through two links", text: "dir a\nfile a/x\nlink b -> a\nlink c -> b\n---\ngone c/x"},
		{name: "opaque through a link", text: "dir usr/lib\nfile usr/lib/x\nlink lib -> usr/lib\n---\nopaque lib\nfile usr/lib/z"},
		{name: "whiteout through a link of its layer", text: "dir d\nfile d/x\nfile d/y\n---\nlink l -> d\ngone l/x"},
		{name: "whiteout before the link of its layer", text: "dir d\nfile d/x\nfile d/y\n---\ngone l/x\nlink l -> d"},
		{name: "whiteout through a link that was replaced", text: "dir d\nfile d/x\ndir e\nfile e/x\nlink l -> d\n---\nlink l -> e\ngone l/x"},
		{name: "whiteout of a link", text: "dir d\nfile d/x\nlink l -> d\n---\ngone l"},
		{name: "link replaced by a directory", text: "dir usr/lib\nfile usr/lib/x\nlink lib -> usr/lib\n---\ndir lib\ngone lib/x\nfile lib/z"},
	}
}

func hardLinks() []textCase {
	long := strings.Repeat("n", 120)
	return []textCase{
		{name: "hard link", text: "file a = x\nhard b -> a\nfile unused-a = y\nhard c -> unused-a"},
		{name: "hard link whose content goes", text: "file unused-a mode=4755 = x\nhard b mode=4755 -> unused-a\nhard c mode=4755 -> b"},
		{name: "chain of hard links", text: "file a = x\nhard unused-b -> a\nhard c -> unused-b\nhard unused-d -> c\nhard e -> unused-d"},
		{name: "hard link to a lower layer", text: "file a = x\n---\nhard b -> a\n---\nhard c -> b"},
		{name: "hard link to what goes below", text: "file unused-a = x\n---\nhard b -> unused-a\n---\nhard c -> b"},
		{name: "hard link whose mate is replaced", text: "file a = x\nhard b -> a\n---\nfile a = y"},
		{name: "hard link whose mate is hidden", text: "file a = x\nhard b -> a\nhard c -> b\n---\ngone a"},
		{name: "hard link to a symbolic link", text: "link unused-a -> nowhere\nhard b mode=777 -> unused-a"},
		{name: "hard link by a long name", text: "file unused-a = x\nhard " + long + " -> unused-a\nhard c -> unused-a"},
		{name: "hard link before its target", text: "hard b -> a\nfile a = x", late: true},
		{name: "hard links before their target", text: "hard b -> unused-a\nhard c -> b\nfile unused-a = x", late: true},
		{name: "hard link through a link", text: "dir usr/bin\nlink bin -> usr/bin\nfile usr/bin/a = x\nhard b -> bin/a"},
		{name: "hard link to a fifo", text: "fifo unused-p\nhard q mode=644 -> unused-p"},
	}
}

func merged() []textCase {
	return []textCase{
		{name: "usr-merge", text: "dir usr/bin\nlink bin -> usr/bin\nfile usr/bin/a\n---\nfile bin/b\nfile bin/unused-x\nfile usr/bin/unused-y"},
		{name: "usr-merge, absolute", text: "dir usr/bin\nlink bin -> /usr/bin\nfile bin/a\n---\nfile usr/bin/a = other spelling"},
		{name: "usr-merge by a later layer", text: "dir bin\nfile bin/a\n---\ngone bin\ndir usr/bin\nlink bin -> usr/bin\nfile usr/bin/a"},
		{name: "loops", text: "link a -> b\nlink b -> a\nlink c -> c\nlink d -> ./d/../d"},
		{name: "dangling links", text: "link a -> nowhere\nlink b -> /no/where\nlink c -> ../../../../../../etc/nothing\nlink e -> dir/\nlink f -> ./."},
		{name: "long links", text: "link a -> " + strings.Repeat("../", 500) + "etc/os-release\nlink b -> " + strings.Repeat("x/", 400) + "y"},
		{name: "directory becomes file", text: "dir a\nfile a/b\n---\nfile a"},
		{name: "file becomes directory", text: "file a\n---\ndir a\nfile a/b"},
		{name: "link becomes file", text: "file b\nlink a -> b\n---\nfile a = own"},
		{name: "directories merge", text: "dir a mode=0700 uid=7\nfile a/b\n---\ndir a mode=0755\nfile a/c"},
		{name: "parents that nobody names", text: "file a/b/c/d\n---\nfile a/b/e/f"},
	}
}

func names() []textCase {
	return []textCase{
		{name: "case twins", text: "file README = 1\nfile readme = 2\nfile Readme = 3\nfile unused-A\nfile a"},
		{name: "normalisation twins", text: "file caf\u00e9 = composed\nfile cafe\u0301 = decomposed\nfile unused-caf\u00e9"},
		{name: "dotted names", text: "file ./a\nfile .//b\nfile ./././c\nfile ..d\nfile e..\nfile .wh"},
		{name: "twice in a layer", text: "file a = first\nfile a = second\ndir d mode=0700\ndir d mode=0755"},
		{name: "twice, of two kinds", text: "file a = first\nlink a -> b\nlink c -> d\nfile c = file"},
		{name: "wide and deep", text: "file " + strings.Repeat("d/", 100) + "f\nfile " + strings.Repeat("w", 255)},
	}
}
