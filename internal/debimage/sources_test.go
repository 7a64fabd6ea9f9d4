package debimage

import (
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func TestHostSources(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		files map[string]string
		want  []string
	}{
		{"nothing", nil, nil},
		{"one line", map[string]string{
			"etc/apt/sources.list": "# comment\n" +
				"deb http://mirror.example/debian bookworm main contrib # why\n" +
				"deb-src http://mirror.example/debian bookworm main\n" +
				"deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/security bookworm-security main\n" +
				"deb [broken http://mirror.example bookworm main\n" +
				"deb http://short.example bookworm\n",
		}, []string{
			"deb http://mirror.example/debian bookworm main contrib",
			"deb [signed-by=/k.gpg] http://mirror.example/security bookworm-security main",
		}},
		{"stanzas", map[string]string{
			"etc/apt/sources.list.d/debian.sources": "Types: deb deb-src\n# comment\nURIs: http://a.example http://b.example\n" +
				"Suites: bookworm bookworm-updates\nComponents: main\nSigned-By: /k.gpg\n\n\n" +
				"Enabled: no\nTypes: deb\nURIs: http://off.example\nSuites: bookworm\nComponents: main\n\n" +
				"Types: deb-src\nURIs: http://src.example\nSuites: bookworm\nComponents: main\n",
		}, []string{
			"deb [signed-by=/k.gpg] http://a.example bookworm main",
			"deb [signed-by=/k.gpg] http://a.example bookworm-updates main",
			"deb [signed-by=/k.gpg] http://b.example bookworm main",
			"deb [signed-by=/k.gpg] http://b.example bookworm-updates main",
		}},
		{"a key in the stanza", map[string]string{
			"etc/apt/sources.list.d/debian.sources": "Types: deb\nURIs: http://a.example\nSuites: bookworm\nComponents: main\n" +
				"Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n",
		}, []string{"deb http://a.example bookworm main"}},
		{"third parties and other releases", map[string]string{
			"etc/apt/sources.list.d/a.list": "deb http://engine.example/debian bookworm stable\n" +
				"deb http://vendor.example bookworm-vendor main\ndeb http://mirror.example trixie main\n" +
				"deb cdrom:[Debian]/ bookworm main\n",
			"etc/apt/sources.list.d/b.disabled": "deb http://mirror.example bookworm main\n",
		}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			sources, err := hostSources(textFS(test.files), "bookworm")
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range sources {
				got = append(got, s.String())
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("sources (-want +got):\n%s", diff)
			}
		})
	}
}

func TestHostRelease(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, release, want string }{
		{"debian", "ID=debian\nVERSION_CODENAME=trixie\n", "trixie"},
		{"ubuntu", "NAME=\"Ubuntu\"\nVERSION_CODENAME=\"noble\"\nID=ubuntu\nID_LIKE=debian\n", "noble"},
		{"a derivative has suites of its own", "ID=linuxmint\nVERSION_CODENAME=xia\n", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := hostRelease(textFS(map[string]string{"etc/os-release": test.release}))
			if err != nil {
				t.Fatal(err)
			}
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	if got, err := hostRelease(fstest.MapFS{}); got != "" || err != nil {
		t.Errorf("without os-release: %q, %v", got, err)
	}
}

// textFS makes a filesystem of texts.
func textFS(files map[string]string) fstest.MapFS {
	out := fstest.MapFS{}
	for name, text := range files {
		out[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o644}
	}
	return out
}

func TestRelease(t *testing.T) {
	t.Parallel()
	host := textFS(map[string]string{
		"etc/os-release":       "ID=debian\nVERSION_CODENAME=bookworm\n",
		"etc/apt/sources.list": "deb http://mirror.example bookworm main\n",
	})
	tests := []struct {
		name, suite, wantSuite string
		host                   fstest.MapFS
		wantSources            int
		wantErr                bool
	}{
		{name: "the host's", host: host, wantSuite: "bookworm", wantSources: 1},
		{name: "the host's by name", host: host, suite: "bookworm", wantSuite: "bookworm", wantSources: 1},
		{name: "another one", host: host, suite: "trixie", wantSuite: "trixie"},
		{name: "another host", host: fstest.MapFS{}, wantErr: true},
		{name: "another host, named", host: fstest.MapFS{}, suite: "trixie", wantSuite: "trixie"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			suite, sources, err := Builder{Host: test.host}.release(test.suite)
			if suite != test.wantSuite || len(sources) != test.wantSources || (err != nil) != test.wantErr {
				t.Errorf("got %q, %v, %v", suite, sources, err)
			}
		})
	}
}
