package bench

import (
	"fmt"
	"math/rand/v2"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/lathe-build/lathe/internal/testimage"
	"github.com/lathe-build/lathe/profile"
)

const (
	libDir    = "usr/lib/x86_64-linux-gnu"
	interp    = "/lib64/ld-linux-x86-64.so.2"
	server    = "srv/app/bin/server"
	dpkgDir   = "var/lib/dpkg"
	appShare  = 25 // percent of the bytes that are the application's
	baseShare = 40 // percent of the packages that are in the base layer
)

// planOf is what an image of a shape holds: a small system with packages, more
// packages, an application, and a layer of configuration.
type planOf struct {
	shape Shape
	rng   *rand.Rand
	pkgs  []*debian
}

// debian is a package.
type debian struct {
	name   string
	used   bool
	paths  []string // what its list names
	layer  int
	budget int64 // bytes of content
}

func newPlanOf(s Shape) *planOf {
	p := &planOf{shape: s, rng: rand.New(rand.NewPCG(seed, 1))}
	base := s.Packages * baseShare / 100
	for i := range s.Packages {
		d := &debian{name: fmt.Sprintf("pkg%05d", i), budget: s.Bytes * (100 - appShare) / 100 / int64(s.Packages)}
		if d.used = i%baseUsed == 0; i >= base {
			d.layer, d.used = 1, i%moreUsed == 0
		}
		p.pkgs = append(p.pkgs, d)
	}
	return p
}

func (p *planOf) layers() []*layer {
	list := []*layer{newLayer(), newLayer(), newLayer(), newLayer()}
	p.system(list[0])
	for _, d := range p.pkgs {
		p.contents(list[d.layer], d)
		p.info(list[d.layer], d)
	}
	for i := range 2 { // the second layer's status takes the place of the first's
		list[i].exactly(dpkgDir+"/status", p.status(i))
	}
	p.application(list[2])
	list[2].exactly("usr/share/pkg00000/.wh.data-000", "") // something is hidden
	list[3].exactly("etc/app/config.json", `{"listen": ":8080"}`)
	return list
}

// system is what every program needs.
func (p *planOf) system(l *layer) {
	for name, target := range map[string]string{"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64"} {
		l.symlink(name, target)
	}
	l.elf("usr/lib64/ld-linux-x86-64.so.2", testimage.ELF(testimage.ELFOptions{Soname: "ld-linux-x86-64.so.2"}), 200<<10)
	l.elf(libDir+"/libc.so.6", testimage.ELF(testimage.ELFOptions{Soname: "libc.so.6"}), 1<<20)
	l.exactly("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n")
	l.exactly("etc/os-release", "ID=debian\nVERSION_ID=12\n")
	l.exactly("etc/ld.so.conf", "/"+libDir+"\n")
	l.exactly("usr/sbin/.keep", "")
}

// contents adds a package's files: programs, a library, modules, data, pages.
func (p *planOf) contents(l *layer, d *debian) {
	own := func(name string) string { d.paths = append(d.paths, name); return name }
	library := "lib" + d.name + ".so.1"
	codeBytes := d.budget * 2 / 5 / 3
	head := testimage.ELF(testimage.ELFOptions{Soname: library, Needed: []string{"libc.so.6"}})
	l.elf(own(libDir+"/"+library+".0"), head, codeBytes)
	l.symlink(own(libDir+"/"+library), library+".0")
	head = testimage.ELF(testimage.ELFOptions{Interp: interp, Needed: []string{library, "libc.so.6"}})
	for i := range 2 {
		l.elf(own(fmt.Sprintf("usr/bin/%s-%d", d.name, i)), head, codeBytes)
	}
	l.hardlink(own("usr/bin/"+d.name+"-alias"), "usr/bin/"+d.name+"-0")
	l.file(own("usr/share/doc/"+d.name+"/copyright"), text, 2<<10)
	l.file(own("usr/share/doc/"+d.name+"/changelog.gz"), noise, 1<<10)
	l.file(own("usr/share/man/man1/"+d.name+"-0.1.gz"), noise, 1<<10)
	rest := max(p.shape.Files-12, 1)
	for i, size := range p.split(d.budget*3/5, rest) {
		switch {
		case i == 0:
			l.file(own("usr/share/"+d.name+"/data-000"), text, size)
		case i%8 == 0:
			l.file(own(fmt.Sprintf("usr/share/%s/data-%03d", d.name, i)), noise, size)
		case i%2 == 0:
			l.file(own(fmt.Sprintf("usr/share/%s/locale/table-%03d.txt", d.name, i)), text, size)
		default:
			l.file(own(fmt.Sprintf("usr/lib/python3/dist-packages/%s/mod_%03d.py", d.name, i)), text, size)
		}
	}
}

// split divides a number of bytes unevenly: most files are small, some large.
func (p *planOf) split(total int64, n int) []int64 {
	weights := make([]float64, n)
	var sum float64
	for i := range weights {
		w := p.rng.ExpFloat64()
		weights[i] = w * w
		sum += weights[i]
	}
	sizes := make([]int64, n)
	for i, w := range weights {
		sizes[i] = int64(w / sum * float64(total))
	}
	return sizes
}

func (p *planOf) info(l *layer, d *debian) {
	var list, sums strings.Builder
	list.WriteString("/.\n/usr\n")
	for _, name := range d.paths {
		list.WriteString("/" + name + "\n")
		fmt.Fprintf(&sums, "%032x  %s\n", len(name), name)
	}
	l.exactly(dpkgDir+"/info/"+d.name+".list", list.String())
	l.exactly(dpkgDir+"/info/"+d.name+".md5sums", sums.String())
}

// status is the database of the layers up to the given one.
func (p *planOf) status(layer int) string {
	var b strings.Builder
	for i, d := range p.pkgs {
		if d.layer > layer {
			continue
		}
		fmt.Fprintf(&b, "Package: %s\nStatus: install ok installed\nVersion: 1.%d-1\nArchitecture: amd64\n", d.name, i)
		fmt.Fprintf(&b, "Depends: %s\nDescription: number %d\n a package of the benchmark\n\n", p.pkgs[i/2].name, i)
	}
	return b.String()
}

// application is what no package owns: a server, tools that never run, modules.
func (p *planOf) application(l *layer) {
	budget := p.shape.Bytes * appShare / 100
	needed := []string{"libc.so.6"}
	for i, d := range p.pkgs {
		if d.used && len(needed) < 40 && i%2 == 0 {
			needed = append(needed, "lib"+d.name+".so.1")
		}
	}
	l.elf(server, testimage.ELF(testimage.ELFOptions{Interp: interp, Needed: needed}), budget/8)
	tool := testimage.ELF(testimage.ELFOptions{Interp: interp, Needed: []string{"libc.so.6"}})
	for i := range 6 {
		l.elf(fmt.Sprintf("srv/app/tools/tool%d", i), tool, budget/16)
	}
	for i, size := range p.split(budget/2, p.shape.Modules) {
		name := fmt.Sprintf("srv/app/node_modules/m%04d/file-%02d", i/20, i%20)
		switch {
		case i%50 == 49:
			l.hardlink(name+".js", fmt.Sprintf("srv/app/node_modules/m%04d/file-%02d.js", i/20, i%20-1))
		case i%20 == 19:
			l.file(name+".png", noise, size)
		default:
			l.file(name+".js", text, size)
		}
	}
	if p.shape.Huge > 0 {
		l.file("srv/app/data/huge.bin", blank, p.shape.Huge)
	}
}

// profile is what a recorder would have seen of the server.
func (p *planOf) profile(manifest v1.Hash) *profile.Profile {
	source := profile.Source{
		Kind: profile.KindObserved, Recorder: profile.Recorder{Name: "bench", Method: "user"}, Complete: true,
		Lost: profile.Lost{Known: true}, Observes: []string{profile.ObservesExec, profile.ObservesOpen},
	}
	source.ID = profile.SourceID(source)
	run := source.ID
	main := profile.Path("/" + server)
	prof := &profile.Profile{
		Metadata: profile.Metadata{Name: "bench"},
		Images:   []profile.Image{{Digest: manifest.String(), Platform: "linux/amd64"}},
		Sources:  []profile.Source{source},
		Executables: []profile.Executable{{
			Key: profile.Key(main, ""), Path: main, Phase: []string{profile.PhaseServing}, Seen: profile.Seen{run: {N: 1}},
		}},
	}
	for _, d := range p.pkgs {
		if d.used {
			prof.Files = append(prof.Files, profile.File{
				Path: profile.Path("/" + libDir + "/lib" + d.name + ".so.1.0"), Access: []string{profile.AccessOpen, profile.AccessMmapExec},
				By: []string{profile.Key(main, "")}, Seen: []string{run},
			})
		}
	}
	return prof
}
