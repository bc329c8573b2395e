// Package wire is the contract between edgectl and the console: what travels
// when a device joins. It imports the standard library only, so that edgectl
// stays small.
//
// The join code is in request bodies alone, never in a URL: URLs end up in
// proxies' and shells' histories.
//
//	POST PathLookup   CodeRequest   → 200 Lookup          does not use the code up
//	POST PathRedeem   RedeemRequest → 200 RedeemResponse  uses it up
//	POST PathReport   ReportRequest → 204                 why the device does not join
//	GET  PathStatus   Authorization: Bearer <status token> → 200 Status
//	GET  PathInstall  the installer, a POSIX shell script
//	GET  PathEdgectl + "{arch}", PathEdgecore + "{arch}"  → 200 the binary, its SHA-256 in HeaderSHA256
//
// Every other answer carries an Error.
package wire

// Paths on the console.
const (
	PathLookup   = "/api/v1/join/lookup"
	PathRedeem   = "/api/v1/join/redeem"
	PathReport   = "/api/v1/join/report"
	PathStatus   = "/api/v1/join/status"
	PathInstall  = "/join/install.sh"
	PathEdgectl  = "/join/edgectl/"
	PathEdgecore = "/join/edgecore/"

	// HeaderSHA256 is hex(SHA-256) of a downloaded file.
	HeaderSHA256 = "Edgeway-Sha256"

	// MaxBody bounds an answer's body in bytes, but for binaries.
	MaxBody = 1 << 20
	// MaxRequest bounds a request's body in bytes: a code and a certificate request.
	MaxRequest = 16 << 10
	// MaxReport bounds a report's body in bytes.
	MaxReport = 32 << 10
)

// Codes of an Error. They are stable: scripts may depend on them.
const (
	CodeUnknown     = "CodeUnknown"
	CodeExpired     = "CodeExpired"
	CodeUsed        = "CodeUsed"
	CodeRevoked     = "CodeRevoked"
	CSRInvalid      = "CSRInvalid"
	NameTaken       = "NameTaken"
	IPTaken         = "IPTaken"
	Refused         = "Refused"
	SigningTimeout  = "SigningTimeout"
	RateLimited     = "RateLimited"
	BadRequest      = "BadRequest"
	StatusUnknown   = "StatusTokenUnknown"
	Internal        = "Internal"
	NotFound        = "NotFound"
	TokenMissing    = "StatusTokenMissing"
	MethodForbidden = "MethodNotAllowed"
)

// Error is the body of every answer that is not 200. It is a Go error too.
type Error struct {
	// Code is one of the codes above.
	Code string `json:"code"`
	// Message says what went wrong, in one sentence.
	Message string `json:"message"`
	// Remedy says what to do about it.
	Remedy string `json:"remedy,omitempty"`
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Is compares by code, so that errors.Is(err, &wire.Error{Code: …}) works.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// CodeRequest is the body of PathLookup.
type CodeRequest struct {
	Code string `json:"code"`
}

// Lookup is what a device needs before it spends its code: who it will be, and
// where CloudCore is.
type Lookup struct {
	NodeName  string    `json:"nodeName"`
	NodeIP    string    `json:"nodeIP"`
	Arch      string    `json:"arch"`
	CloudCore CloudCore `json:"cloudCore"`
	// RuntimeEndpoint is empty for the default.
	RuntimeEndpoint string `json:"runtimeEndpoint,omitempty"`
	// CgroupDriver is empty when the device shall find out.
	CgroupDriver string `json:"cgroupDriver,omitempty"`
	// MetaServer and EventBus are parts of EdgeCore that the node will run.
	MetaServer bool `json:"metaServer,omitempty"`
	EventBus   bool `json:"eventBus,omitempty"`
}

// CloudCore is where it listens, as seen from the device. A port of 0 is off.
type CloudCore struct {
	Host          string `json:"host"`
	WebSocketPort int    `json:"webSocketPort"`
	QUICPort      int    `json:"quicPort,omitempty"`
	CertPort      int    `json:"certPort"`
	TunnelPort    int    `json:"tunnelPort,omitempty"`
}

// RedeemRequest is the body of PathRedeem.
type RedeemRequest struct {
	Code string `json:"code"`
	// CSR in PEM, ECDSA P-256, subject CN system:node:<name>, O system:nodes. The
	// same code with the same CSR is answered again, so that a device that was
	// stopped half-way can go on; with another CSR the code is used up.
	CSR string `json:"csr"`
}

// RedeemResponse is all that a device needs to join.
type RedeemResponse struct {
	NodeName string `json:"nodeName"`
	// Certificate for the CSR and the CA that signed it, in PEM.
	Certificate string `json:"certificate"`
	CA          string `json:"ca"`
	// EdgeCoreConfig is edgecore.yaml.
	EdgeCoreConfig string `json:"edgecoreConfig"`
	// EdgeCore to download; nil when the console has none for this architecture.
	EdgeCore *Download `json:"edgecore"`
	// StatusToken reads this join's status.
	StatusToken string `json:"statusToken"`
	// CloudCore to check reachability of.
	CloudCore CloudCore `json:"cloudCore"`
	// Hints are for the person at the device.
	Hints []string `json:"hints,omitempty"`
}

// ReportRequest is the body of PathReport. It is taken from whoever holds the code,
// until the node has registered, and shown to people as plain text.
type ReportRequest struct {
	Code string `json:"code"`
	// Checks of the device that failed.
	Checks []FailedCheck `json:"checks,omitempty"`
	// Message says why the join failed where no check did.
	Message string `json:"message,omitempty"`
}

// FailedCheck is a check of the device that keeps it from joining.
type FailedCheck struct {
	ID     string `json:"id"`
	Title  string `json:"title"`
	Detail string `json:"detail,omitempty"`
	Remedy string `json:"remedy,omitempty"`
}

// Download is a file on the console.
type Download struct {
	// URL is a path on the console.
	URL string `json:"url"`
	// SHA256 in hex.
	SHA256 string `json:"sha256"`
}

// Status is how far a join has come.
type Status struct {
	NodeName string `json:"nodeName"`
	// Phase is one of EdgeEnrollment's.
	Phase      string      `json:"phase"`
	Conditions []Condition `json:"conditions"`
}

// Condition says why, where the phase alone does not.
type Condition struct {
	Type    string `json:"type"`
	Status  string `json:"status"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}
