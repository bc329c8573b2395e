package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// EdgeEnrollment lets one named edge node join. It lives in JoinNamespace;
// whoever may create it there may join nodes and needs no other right.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:shortName=ee
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Node",type=string,JSONPath=`.spec.nodeName`
// +kubebuilder:printcolumn:name="Address",type=string,JSONPath=`.spec.nodeIP`
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Expires",type=string,JSONPath=`.status.expiresAt`
type EdgeEnrollment struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   EdgeEnrollmentSpec   `json:"spec"`
	Status EdgeEnrollmentStatus `json:"status,omitempty"`

	// Undecodable says why spec and status are empty although the API server has some.
	Undecodable string `json:"-"`
}

// EdgeEnrollmentSpec is what the join wizard asks for.
type EdgeEnrollmentSpec struct {
	// NodeName is a DNS-1123 subdomain.
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="cannot be changed: the certificate is for this name"
	NodeName string `json:"nodeName"`
	// Arch of the device, in Go's words.
	// +kubebuilder:validation:Enum=amd64;arm64;arm
	Arch string `json:"arch"`
	// NodeIP is the address that the edge node reports.
	// +kubebuilder:validation:MaxLength=45
	// +kubebuilder:validation:Pattern=`^((25[0-5]|2[0-4][0-9]|1[013-9][0-9]|12[0-689]|[1-9][0-9]?)(\.(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])){3}|[1-9A-Fa-f][0-9A-Fa-f]{0,3}:[0-9A-Fa-f:.]*)$`
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="cannot be changed: it is reserved for this node"
	NodeIP string `json:"nodeIP"`
	// CodeHash is hex(SHA-256(join code)); the code itself is never stored.
	// +kubebuilder:validation:Pattern=`^[0-9a-f]{64}$`
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="cannot be changed: create a new enrollment"
	CodeHash string `json:"codeHash"`
	// Lifetime of the code from the object's creation; 1h when empty.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('0s') && duration(self) <= duration('720h')",message="write it like 1h30m, up to 720h"
	Lifetime *metav1.Duration `json:"lifetime,omitempty"`
	// CloudCore is where the device finds it.
	CloudCore CloudCoreAddress `json:"cloudCore"`
	// Labels for the node.
	// +optional
	Labels map[string]string `json:"labels,omitempty"`
	// Taints for the node.
	// +optional
	// +kubebuilder:validation:MaxItems=32
	Taints []corev1.Taint `json:"taints,omitempty"`
	// Components that run on the device.
	// +optional
	Components EdgeComponents `json:"components,omitempty"`
	// RuntimeEndpoint of the container runtime; containerd's default when empty.
	// +optional
	// +kubebuilder:validation:Pattern=`^(unix:///[A-Za-z0-9_./-]+)?$`
	RuntimeEndpoint string `json:"runtimeEndpoint,omitempty"`
	// CgroupDriver of the device.
	// +optional
	// +kubebuilder:validation:Enum="";cgroupfs;systemd
	CgroupDriver string `json:"cgroupDriver,omitempty"`
	// State that the node is wanted in; Active when empty. Whoever may change an
	// enrollment moves its edge node with it and needs no right on Nodes.
	// +optional
	// +kubebuilder:validation:Enum="";Active;Revoked;Cordoned;Retired
	State EnrollmentState `json:"state,omitempty"`
	// DrainTimeout bounds the eviction of pods when State is Retired; 2m when empty.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('0s')",message="write it like 2m30s"
	DrainTimeout *metav1.Duration `json:"drainTimeout,omitempty"`
	// Force lets a retirement go on when pods are still there after DrainTimeout.
	// +optional
	Force bool `json:"force,omitempty"`
	// TokenFor asks for KubeEdge's own join token, for the stock keadm. The token names no
	// node, so setting this field needs the right to create edgeenrollments/token.
	// +optional
	TokenFor *TokenRecipient `json:"tokenFor,omitempty"`
	// Bundle asks for a certificate for an offline bundle, in place of a device that
	// redeems the code. The bundle is good until the code expires.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="cannot be changed: create a new enrollment for another bundle"
	Bundle *BundleRequest `json:"bundle,omitempty"`
}

// BundleRequest is what is to be signed for an offline bundle.
type BundleRequest struct {
	// CSR is a certificate request in PEM. Its key is in the bundle and nowhere else.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=8192
	CSR []byte `json:"csr"`
}

// TokenRecipient is who may read a join token.
type TokenRecipient struct {
	// PublicKey (X25519, 32 bytes) of one request. The token is sealed to it, since
	// whoever may read enrollments must not be able to join nodes.
	// +kubebuilder:validation:MinLength=44
	// +kubebuilder:validation:MaxLength=44
	PublicKey []byte `json:"publicKey"`
	// NewNodeOnly says that the token is for a tool that refuses a name which has a Node
	// already, as keadm does. No Node is created before the device connects then.
	// +optional
	NewNodeOnly bool `json:"newNodeOnly,omitempty"`
}

// SealedToken is a join token that only its recipient can read.
type SealedToken struct {
	// For is the PublicKey of the request that it answers.
	For []byte `json:"for"`
	// Sealed token: HPKE (RFC 9180) with X25519, HKDF-SHA256 and ChaCha20-Poly1305.
	Sealed []byte `json:"sealed"`
	// ExpiresAt is when CloudHub stops accepting the token. Nothing revokes it earlier.
	ExpiresAt metav1.Time `json:"expiresAt"`
}

// EnrollmentState is what the enrollment's owner wants.
type EnrollmentState string

// The states. Revoked stops the code from being accepted and cuts the tunnel and
// the connection to CloudHub of a node that has joined already. Retired takes the node out of the cluster; the
// enrollment then stays as a tombstone by which a device that comes back is known.
const (
	StateActive   EnrollmentState = "Active"
	StateRevoked  EnrollmentState = "Revoked"
	StateCordoned EnrollmentState = "Cordoned"
	StateRetired  EnrollmentState = "Retired"
)

// CloudCoreAddress is CloudCore as seen from outside: the external, port-mapped
// numbers.
type CloudCoreAddress struct {
	// Host is an IP address or a DNS name.
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9]([-A-Za-z0-9.:]*[A-Za-z0-9])?$`
	Host string `json:"host"`
	// WebSocketPort of CloudHub.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	WebSocketPort int32 `json:"webSocketPort"`
	// QUICPort of CloudHub; 0 when QUIC is off.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=65535
	QUICPort int32 `json:"quicPort,omitempty"`
	// CertPort of CloudHub's HTTPS service.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	CertPort int32 `json:"certPort"`
	// TunnelPort of CloudStream's tunnel; 0 when CloudStream is off.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=65535
	TunnelPort int32 `json:"tunnelPort,omitempty"`
}

// EdgeComponents are EdgeCore's optional parts.
type EdgeComponents struct {
	// EdgeStream carries logs, exec and metrics.
	EdgeStream bool `json:"edgeStream"`
	// EdgeMesh turns MetaServer and cluster DNS on.
	EdgeMesh bool `json:"edgeMesh"`
	// EventBus with its internal MQTT broker.
	EventBus bool `json:"eventBus"`
}

// EnrollmentPhase is how far a device has come.
type EnrollmentPhase string

// The phases in order. Refused and Expired end an enrollment that did not get far,
// Retired ends one whose node has left.
const (
	PhasePending           EnrollmentPhase = "Pending"
	PhaseCodeUsed          EnrollmentPhase = "CodeUsed"
	PhaseCertificateIssued EnrollmentPhase = "CertificateIssued"
	PhaseRegistered        EnrollmentPhase = "Registered"
	PhaseReady             EnrollmentPhase = "Ready"
	PhaseTunnelUp          EnrollmentPhase = "TunnelUp"
	PhaseVerified          EnrollmentPhase = "Verified"
	PhaseRefused           EnrollmentPhase = "Refused"
	PhaseExpired           EnrollmentPhase = "Expired"
	PhaseRetired           EnrollmentPhase = "Retired"
)

// Condition types of an EdgeEnrollment.
const (
	// ConditionReserved: name and address are this enrollment's.
	ConditionReserved = "Reserved"
	// ConditionCertificateIssued: the device's request is signed.
	ConditionCertificateIssued = "CertificateIssued"
	// ConditionNodeExpected: edge-watcher created the Node, which waits for its device.
	ConditionNodeExpected = "NodeExpected"
	// ConditionNodeConfigured: labels, taints and cordon of the Node are as wanted.
	ConditionNodeConfigured = "NodeConfigured"
	// ConditionNodeReady: the Node exists and is Ready.
	ConditionNodeReady = "NodeReady"
	// ConditionTunnelUp: a CloudCore holds the node's tunnel.
	ConditionTunnelUp = "TunnelUp"
	// ConditionVerified: a log line and the node's summary were read through the tunnel.
	ConditionVerified = "Verified"
	// ConditionRetired: the Node is gone from the cluster.
	ConditionRetired = "Retired"
	// ConditionTokenMinted: the join token that was asked for is in the status.
	ConditionTokenMinted = "TokenMinted"
	// ConditionDeviceChecked: False while the device's own checks keep it from joining.
	ConditionDeviceChecked = "DeviceChecked"
	// ConditionCodeAccepted: False when the last device that tried the code was
	// refused; the reason is the refusal's code of package wire.
	ConditionCodeAccepted = "CodeAccepted"
	// ConditionReturned: a retired device registered again and is kept cordoned.
	ConditionReturned = "Returned"
)

// Reasons of ConditionReserved and ConditionCertificateIssued being False.
const (
	ReasonNameTaken      = "NameTaken"
	ReasonIPTaken        = "IPTaken"
	ReasonIPInvalid      = "IPInvalid"
	ReasonInvalid        = "InvalidSpec"
	ReasonCSRInvalid     = "CSRInvalid"
	ReasonCANotAvailable = "CANotAvailable"
	ReasonSignedAlready  = "SignedAlready"
)

// Reasons of ConditionNodeExpected being False.
const (
	ReasonCreateFailed  = "CreateFailed"
	ReasonNodeTakenAway = "NodeTakenAway"
)

// Reasons of ConditionRetired being False.
const (
	// ReasonDraining: pods have to go, and the drain's deadline is ahead.
	ReasonDraining = "Draining"
	// ReasonDrainBlocked: the deadline has passed, pods are still there, and Force is off.
	ReasonDrainBlocked = "DrainBlocked"
	// ReasonRetireFailed: the API server refuses a step that Force cannot skip.
	ReasonRetireFailed = "RetireFailed"
	// ReasonNotAnEdgeNode: the Node has no edge label and is left alone.
	ReasonNotAnEdgeNode = "NotAnEdgeNode"
)

// Reasons of ConditionDeviceChecked.
const (
	ReasonPreflightFailed = "PreflightFailed"
	ReasonJoinFailed      = "JoinFailed"
	ReasonDeviceReady     = "DeviceReady"
)

// EdgeEnrollmentStatus is written by edge-watcher and by code redemption.
type EdgeEnrollmentStatus struct {
	Phase EnrollmentPhase `json:"phase,omitempty"`
	// ExpiresAt is when the code stops being accepted.
	ExpiresAt *metav1.Time `json:"expiresAt,omitempty"`
	// CSR is the device's certificate request in PEM, put there by code redemption, once.
	CSR []byte `json:"csr,omitempty"`
	// Certificate signed for CSR, in PEM, and the CA's.
	Certificate []byte `json:"certificate,omitempty"`
	CA          []byte `json:"ca,omitempty"`
	// StatusTokenHash is hex(SHA-256) of the token with which the device may read
	// this status, put there with CSR.
	StatusTokenHash string `json:"statusTokenHash,omitempty"`
	// FailedChecks are the device's own checks that keep it from joining, as it
	// reported them: text by whoever holds the code.
	// +optional
	// +kubebuilder:validation:MaxItems=16
	FailedChecks []FailedCheck `json:"failedChecks,omitempty"`
	// Token is the answer to TokenFor.
	Token *SealedToken `json:"token,omitempty"`
	// RetiringSince is when edge-watcher began to drain the node.
	RetiringSince *metav1.Time `json:"retiringSince,omitempty"`
	// Conditions say why, where the phase alone does not.
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// FailedCheck is one of the device's own checks that failed.
type FailedCheck struct {
	// ID is stable, like "runtime.cri".
	// +kubebuilder:validation:MaxLength=64
	ID string `json:"id"`
	// Title for people, Detail of what was found, Remedy against it.
	// +kubebuilder:validation:MaxLength=512
	Title string `json:"title"`
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Detail string `json:"detail,omitempty"`
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Remedy string `json:"remedy,omitempty"`
}

// EdgeEnrollmentList is a list of EdgeEnrollment.
//
// +kubebuilder:object:root=true
type EdgeEnrollmentList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []EdgeEnrollment `json:"items"`
}
