package sign

import (
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func testPredicate() Predicate {
	policy, hint := hash("4"), hash("5")
	return Predicate{
		Tool:      Tool{Name: "lathe", Version: "v0.1.0"},
		Source:    hash("1"),
		Profiles:  []v1.Hash{hash("3"), hash("2")},
		Policy:    &policy,
		Plan:      hash("6"),
		Hint:      &hint,
		Level:     "packages",
		Overrides: []string{"allow-incomplete"},
		Vouched:   []v1.Hash{hash("2")},
		Platforms: []Platform{{
			Platform:        "linux/amd64",
			Source:          hash("7"),
			Image:           hash("8"),
			Rebased:         true,
			DroppedClasses:  []string{"shell", "downloader"},
			DroppedPackages: []string{"curl", "bash"},
			Before:          Counts{Bytes: 100, Files: 10, Executables: 5, Packages: 3},
			After:           Counts{Bytes: 40, Files: 4, Executables: 1, Packages: 1},
		}},
		Verified: []string{"layers", "closure"},
	}
}
