package pki

import (
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
)

// The PEM block types of the files we write.
const (
	BlockCertificate = "CERTIFICATE"
	BlockKey         = "EC PRIVATE KEY"
)

// WritePEM writes DER into a PEM file, readable by its owner only when it is a
// key, and makes the folder. A reader sees the old file or the new one, never half.
func WritePEM(path, block string, der []byte) error {
	mode := os.FileMode(0o644)
	if block == BlockKey {
		mode = 0o600
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("make the folder of %s: %w", path, err)
	}
	part := path + ".part"
	data := pem.EncodeToMemory(&pem.Block{Type: block, Bytes: der})
	if err := os.WriteFile(part, data, mode); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(part, path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// ReadPEM gives the DER of a file's first PEM block.
func ReadPEM(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read certificate or key: %w", err)
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("%s holds no PEM block", path)
	}
	return block.Bytes, nil
}
