// Package tlsconfig is how programs of ours serve TLS.
package tlsconfig

import "crypto/tls"

// Server returns a configuration for a server: TLS 1.2 or later, and of TLS 1.2 only the
// suites with forward secrecy and authenticated encryption. Go's own list still has CBC
// suites, which had one padding oracle after another. The caller adds certificates.
func Server() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
	}
}
