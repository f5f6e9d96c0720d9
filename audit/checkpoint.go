package audit

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// stamp is how times are written.
const stamp = "2006-01-02T15:04:05.000000Z"

// A Checkpoint says that the log had the entry Seq with Hash when it was signed.
// Kept where whoever can write to the database cannot, it shows that the log was
// cut or written anew.
type Checkpoint struct {
	Seq       int64
	Hash      Hash
	At        time.Time // to the microsecond
	Node      string    // who signed
	Key       ed25519.PublicKey
	Signature []byte
}

func (c Checkpoint) head() Head { return Head{Seq: c.Seq, Hash: c.Hash} }

// A Signer signs checkpoints. It is safe for concurrent use and does not show its
// key, whatever prints it.
type Signer struct {
	sign func(message []byte) []byte
	key  ed25519.PublicKey
}

// pemType is that of a private key in PKCS #8.
const pemType = "PRIVATE KEY"

// NewSigningKey returns a new key for [ParseSigner]: PKCS #8 in PEM, as other tools
// read it. random is crypto/rand.Reader.
func NewSigningKey(random io.Reader) ([]byte, error) {
	_, key, err := ed25519.GenerateKey(random)
	if err != nil {
		return nil, fmt.Errorf("audit: make a signing key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("audit: make a signing key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der}), nil
}

// ParseSigner reads a key that [NewSigningKey] made. The error shows nothing of it.
func ParseSigner(text []byte) (*Signer, error) {
	block, rest := pem.Decode(text)
	if block == nil || block.Type != pemType || len(bytes.TrimSpace(rest)) > 0 {
		return nil, errors.New("audit: the signing key is not one private key in PEM")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	key, ok := parsed.(ed25519.PrivateKey)
	if err != nil || !ok {
		return nil, errors.New("audit: the signing key is not an Ed25519 key in PKCS #8")
	}
	public, ok := key.Public().(ed25519.PublicKey)
	if !ok {
		return nil, errors.New("audit: the signing key has no public one")
	}
	return &Signer{sign: func(message []byte) []byte { return ed25519.Sign(key, message) }, key: public}, nil
}

// PublicKey returns what verifies the signatures.
func (s *Signer) PublicKey() ed25519.PublicKey { return slices.Clone(s.key) }

// Format implements fmt.Formatter: every verb prints the same.
func (s *Signer) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[signer]") }

// Sign returns the checkpoint of head, signed at the time at by node, whose name
// is UTF-8 without line breaks.
func (s *Signer) Sign(head Head, at time.Time, node string) Checkpoint {
	c := Checkpoint{Seq: head.Seq, Hash: head.Hash, At: at.UTC().Truncate(time.Microsecond), Node: node, Key: s.PublicKey()}
	c.Signature = s.sign(c.message())
	return c
}

// message is what is signed.
func (c Checkpoint) message() []byte {
	return encode("warder audit checkpoint 1", decimal(c.Seq), c.Hash[:], decimal(c.At.UnixMicro()), []byte(c.Node))
}

// ErrUnknownKey means that a checkpoint is signed with a key that is not trusted
// here: anybody can sign with a key of their own.
var ErrUnknownKey = errors.New("audit: the checkpoint is signed with a key that is not trusted here")

// ErrSignature means that a checkpoint is not what was signed.
var ErrSignature = errors.New("audit: the signature of the checkpoint is wrong")

// A Keyring is the keys whose checkpoints are believed.
type Keyring []ed25519.PublicKey

// Check verifies the signature of c: [ErrUnknownKey], [ErrSignature] or nil.
func (k Keyring) Check(c *Checkpoint) error {
	if !slices.ContainsFunc(k, func(key ed25519.PublicKey) bool { return key.Equal(c.Key) }) {
		return ErrUnknownKey
	}
	if c.Seq < 1 || len(c.Key) != ed25519.PublicKeySize || !ed25519.Verify(c.Key, c.message(), c.Signature) {
		return ErrSignature
	}
	return nil
}

// CheckAll verifies the signatures of all, and names the first that does not hold.
func (k Keyring) CheckAll(all []Checkpoint) error {
	for i := range all {
		if err := k.Check(&all[i]); err != nil {
			return fmt.Errorf("%w: it is that of entry %d, by %q", err, all[i].Seq, all[i].Node)
		}
	}
	return nil
}

// ParsePublicKey reads a public key as checkpoints have it: base64 of 32 bytes.
func ParsePublicKey(text string) (ed25519.PublicKey, error) {
	key, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSpace(text))
	if err != nil || len(key) != ed25519.PublicKeySize {
		return nil, errors.New("audit: want the base64 of an Ed25519 public key, 44 characters, as a checkpoint has it")
	}
	return key, nil
}

// line is a checkpoint as JSON.
type line struct {
	Seq       int64  `json:"seq"`
	Hash      Hash   `json:"hash"`
	At        string `json:"at"`
	Node      string `json:"node"`
	Key       []byte `json:"key"`
	Signature []byte `json:"signature"`
}

// MarshalJSON implements json.Marshaler.
func (c Checkpoint) MarshalJSON() ([]byte, error) {
	return json.Marshal(line{c.Seq, c.Hash, c.At.UTC().Format(stamp), c.Node, c.Key, c.Signature})
}

// UnmarshalJSON implements json.Unmarshaler. It verifies no signature.
func (c *Checkpoint) UnmarshalJSON(text []byte) error {
	var l line
	if err := json.Unmarshal(text, &l); err != nil {
		return errCheckpoint
	}
	at, err := time.Parse(stamp, l.At)
	if err != nil || l.Seq < 1 || len(l.Key) != ed25519.PublicKeySize || len(l.Signature) != ed25519.SignatureSize {
		return errCheckpoint
	}
	*c = Checkpoint{Seq: l.Seq, Hash: l.Hash, At: at, Node: l.Node, Key: l.Key, Signature: l.Signature}
	return nil
}

var errCheckpoint = errors.New("audit: not a checkpoint: want the line that warder audit checkpoint prints")

// maxCheckpointLine is how long a line of a file of checkpoints may be, in bytes.
const maxCheckpointLine = 8 << 10

// ReadCheckpoints reads a file of checkpoints, one JSON object a line; empty lines
// are passed over. The error names the line. It verifies no signature.
func ReadCheckpoints(r io.Reader) ([]Checkpoint, error) {
	var all []Checkpoint
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxCheckpointLine)
	n := 0
	for lines.Scan() {
		n++
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		var c Checkpoint
		if !utf8.Valid(lines.Bytes()) || json.Unmarshal(lines.Bytes(), &c) != nil {
			return nil, fmt.Errorf("line %d: %w", n, errCheckpoint)
		}
		all = append(all, c)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("audit: read checkpoints: line %d: %w", n+1, err)
	}
	return all, nil
}

func sortCheckpoints(all []Checkpoint) []Checkpoint {
	return slices.SortedStableFunc(slices.Values(all), func(a, b Checkpoint) int { return cmp.Compare(a.Seq, b.Seq) })
}

// NewSigner returns a signer with a new key that is kept nowhere else, for tests
// and for programs that keep what it signs together with its public key.
func NewSigner() (*Signer, error) {
	text, err := NewSigningKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	return ParseSigner(text)
}
