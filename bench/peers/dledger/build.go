package dledger

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

//go:embed java
var sources embed.FS

// version is DLedger's.
const version = "0.3.2"

// Present tells whether this machine has what DLedger needs: java, javac and mvn.
func Present() bool {
	for _, tool := range []string{"java", "javac", "mvn"} {
		if _, err := exec.LookPath(tool); err != nil {
			return false
		}
	}
	return true
}

// classPath gives where the jars and the compiled Node are. The first time, Maven fetches the jars; they are kept in the user's cache directory.
func classPath(ctx context.Context) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("dledger: %w", err)
	}
	sum, err := checksum()
	if err != nil {
		return "", fmt.Errorf("dledger: %w", err)
	}
	dir := filepath.Join(cache, "ledgerkv-bench", fmt.Sprintf("dledger-%s-%08x", version, sum))
	path := filepath.Join(dir, "classes") + string(os.PathListSeparator) + filepath.Join(dir, "lib", "*")
	if _, err := os.Stat(dir); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", fmt.Errorf("dledger: %w", err)
	}
	building, err := os.MkdirTemp(filepath.Dir(dir), "building-")
	if err != nil {
		return "", fmt.Errorf("dledger: %w", err)
	}
	defer os.RemoveAll(building)
	if err := build(ctx, building); err != nil {
		return "", err
	}
	if err := os.Rename(building, dir); err != nil && !errors.Is(err, fs.ErrExist) { // somebody else was quicker
		return "", fmt.Errorf("dledger: %w", err)
	}
	return path, nil
}

// checksum tells what was built from these sources from what others made.
func checksum() (uint32, error) {
	var sum uint32
	for _, name := range []string{"java/Node.java", "java/pom.xml"} {
		text, err := sources.ReadFile(name)
		if err != nil {
			return 0, err
		}
		sum = crc32.Update(sum, crc32.IEEETable, text)
	}
	return sum, nil
}

func build(ctx context.Context, dir string) error {
	java, err := fs.Sub(sources, "java")
	if err != nil {
		return err
	}
	if err := os.CopyFS(dir, java); err != nil {
		return fmt.Errorf("dledger: %w", err)
	}
	steps := [][]string{
		{"mvn", "-q", "-B", "org.apache.maven.plugins:maven-dependency-plugin:2.8:copy-dependencies", "-DoutputDirectory=lib"},
		{"javac", "-cp", filepath.Join("lib", "*"), "-d", "classes", "Node.java"},
	}
	for _, step := range steps {
		cmd := exec.CommandContext(ctx, step[0], step[1:]...)
		cmd.Dir = dir
		if said, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("dledger: %s, which needs a way to Maven Central the first time: %w\n%s", step[0], err, said)
		}
	}
	return nil
}
