package sandbox

import (
	"crypto/aes"
	gcm "crypto/cipher"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"strings"
)

// Ciphertexts are a mark, the length of the key's ARN, the ARN, a nonce, and
// what AES-256-GCM makes of the plaintext with the encryption context as
// additional data.
const (
	blobMark  = 0xA7
	nonceSize = 12
)

// seal encrypts under a key, in base64.
func (c *call) seal(k *kmsKey, plaintext []byte, context map[string]string) (string, error) {
	sealer, err := k.cipher()
	if err != nil {
		return "", err
	}
	nonce, _ := hex.DecodeString(c.id(2 * nonceSize))
	blob := binary.BigEndian.AppendUint16([]byte{blobMark}, uint16(len(k.arn())))
	blob = append(append(blob, k.arn()...), nonce...)
	return encoded(sealer.Seal(blob, nonce, plaintext, contextData(k, context))), nil
}

// open decrypts what seal made; ok is false for anything else.
func (k *kmsKey) open(sealed []byte, context map[string]string) (plaintext []byte, ok bool) {
	opener, err := k.cipher()
	if err != nil || len(sealed) < nonceSize {
		return nil, false
	}
	plaintext, err = opener.Open(nil, sealed[:nonceSize], sealed[nonceSize:], contextData(k, context))
	return plaintext, err == nil
}

func (k *kmsKey) cipher() (gcm.AEAD, error) {
	block, err := aes.NewCipher(k.Material)
	if err != nil {
		return nil, err
	}
	return gcm.NewGCM(block)
}

// contextData is the encryption context in one form, whatever the order of its
// keys.
func contextData(k *kmsKey, context map[string]string) []byte {
	doc, _ := json.Marshal(context)
	if len(context) == 0 {
		doc = nil
	}
	return append([]byte(k.arn()), doc...)
}

// blobKey reads the key's ARN off a ciphertext, and what is sealed.
func blobKey(blob []byte) (arn string, sealed []byte, ok bool) {
	if len(blob) < 3 || blob[0] != blobMark {
		return "", nil, false
	}
	n := int(binary.BigEndian.Uint16(blob[1:]))
	if len(blob) < 3+n {
		return "", nil, false
	}
	return string(blob[3 : 3+n]), blob[3+n:], true
}

// blob reads a binary member of the input.
func (c *call) blob(name string) ([]byte, error) {
	b, err := base64.StdEncoding.DecodeString(c.In.str(name))
	if err != nil {
		return nil, fail("SerializationException", "%s is not base64", name)
	}
	return b, nil
}

// ciphering is what the operations with plain or sealed data have in common.
func (c *call) ciphering() error {
	switch {
	case c.In.has("Recipient"):
		return fail("UnsupportedOperationException", "The sandbox has no Nitro enclaves to encrypt for.")
	case c.In.or("EncryptionAlgorithm", "SYMMETRIC_DEFAULT") != "SYMMETRIC_DEFAULT":
		return fail("InvalidKeyUsageException", "The algorithm %s is incompatible with key spec SYMMETRIC_DEFAULT.", c.In.str("EncryptionAlgorithm"))
	case c.In.bool("DryRun"):
		return &apiError{Status: 412, Code: "DryRunOperationException", Message: "The request would have succeeded, but the DryRun option is set."}
	}
	return nil
}

// using is onKey for operations that need the key in use.
func using(run func(*call, *kmsKey) (obj, error)) operation {
	return onKey(func(c *call, k *kmsKey) (obj, error) {
		if err := k.usable(); err != nil {
			return nil, err
		}
		if err := c.ciphering(); err != nil {
			return nil, err
		}
		return run(c, k)
	})
}

func encrypt(c *call, k *kmsKey) (obj, error) {
	plaintext, err := c.blob("Plaintext")
	if err != nil {
		return nil, err
	}
	if len(plaintext) < 1 || len(plaintext) > 4096 {
		return nil, fail("ValidationException", "1 validation error detected: Value at 'plaintext' failed to satisfy constraint: Member must have length between 1 and 4096")
	}
	blob, err := c.seal(k, plaintext, c.In.strMap("EncryptionContext"))
	if err != nil {
		return nil, err
	}
	return obj{"CiphertextBlob": blob, "KeyId": k.arn(),
		"EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}, nil
}

func encoded(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// sealedKey is the key of a ciphertext, with the permission to do action with
// it. given is the key that the caller expects, if any.
func (c *call) sealedKey(given, action string, context map[string]string) (*kmsKey, []byte, access, error) {
	blob, err := c.blob("CiphertextBlob")
	if err != nil {
		return nil, nil, access{}, err
	}
	arn, sealed, ok := blobKey(blob)
	name := given
	if given == "" {
		name = arn
	}
	switch {
	case !ok && given == "":
		return nil, nil, access{}, fail("InvalidCiphertextException", "")
	case given == "" && c.keyGone(arn):
		return nil, nil, access{}, refuse(services["kms"], accessDenied,
			"The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.")
	}
	k, a, err := c.keyAccess(name, action, context)
	if err != nil {
		return nil, nil, a, err
	}
	c.keyInput(a.Context)
	if err := c.mayUseKey(k, a); err != nil {
		if e, denied := err.(*apiError); denied && given == "" {
			e.Message = strings.Replace(e.Message, "on resource: "+a.Resource, "on the resource associated with this ciphertext", 1)
		}
		return nil, nil, a, err
	}
	switch {
	case !ok:
		return nil, nil, a, fail("InvalidCiphertextException", "")
	case k.arn() != arn:
		return nil, nil, a, fail("IncorrectKeyException", "The key ID in the request does not identify a CMK that can perform this operation.")
	}
	return k, sealed, a, nil
}

// keyGone says that a key isn't there, or isn't in this region.
func (c *call) keyGone(arn string) bool {
	n, err := c.readKeyName(arn)
	return err != nil || c.keyAt(n) == nil
}

// unseal decrypts the input, for Decrypt and ReEncrypt.
func (c *call) unseal(given, action, context string) (*kmsKey, []byte, error) {
	ctx := c.In.strMap(context)
	k, sealed, _, err := c.sealedKey(given, action, ctx)
	if err == nil {
		err = k.usable()
	}
	if err != nil {
		return nil, nil, err
	}
	plaintext, ok := k.open(sealed, ctx)
	if !ok {
		return nil, nil, fail("InvalidCiphertextException", "")
	}
	return k, plaintext, nil
}

func decrypt(c *call) (obj, error) {
	k, plaintext, err := c.unseal(c.In.str("KeyId"), "kms:Decrypt", "EncryptionContext")
	if err == nil {
		err = c.ciphering()
	}
	if err != nil {
		return nil, err
	}
	return obj{"KeyId": k.arn(), "Plaintext": encoded(plaintext), "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}, nil
}

// reEncrypt needs ReEncryptFrom on the key that the ciphertext has, and
// ReEncryptTo on the other.
func reEncrypt(c *call) (obj, error) {
	from, plaintext, err := c.unseal(c.In.str("SourceKeyId"), "kms:ReEncryptFrom", "SourceEncryptionContext")
	if err != nil {
		return nil, err
	}
	context := c.In.strMap("DestinationEncryptionContext")
	to, a, err := c.keyAccess(c.In.str("DestinationKeyId"), "kms:ReEncryptTo", context)
	if err != nil {
		return nil, err
	}
	a.Context["kms:ReEncryptOnSameKey"] = []string{text(from == to)}
	if err = c.mayUseKey(to, a); err == nil {
		err = to.usable()
	}
	if err == nil {
		err = c.ciphering()
	}
	if err != nil {
		return nil, err
	}
	blob, err := c.seal(to, plaintext, context)
	if err != nil {
		return nil, err
	}
	return obj{"CiphertextBlob": blob, "SourceKeyId": from.arn(), "KeyId": to.arn(),
		"SourceEncryptionAlgorithm": "SYMMETRIC_DEFAULT", "DestinationEncryptionAlgorithm": "SYMMETRIC_DEFAULT"}, nil
}

// generateDataKey makes a key for the caller, plain and sealed.
func generateDataKey(plain bool) func(*call, *kmsKey) (obj, error) {
	return func(c *call, k *kmsKey) (obj, error) {
		spec, size := c.In.str("KeySpec"), c.In.int("NumberOfBytes", 0)
		if (spec == "") == (size == 0) {
			return nil, fail("ValidationException", "Please specify either number of bytes or key spec.")
		}
		switch spec {
		case "AES_256":
			size = 32
		case "AES_128":
			size = 16
		}
		if size < 1 || size > 1024 {
			return nil, fail("ValidationException", "1 validation error detected: Value at 'numberOfBytes' failed to satisfy constraint: Member must have value between 1 and 1024")
		}
		var key []byte
		for len(key) < size {
			more, _ := hex.DecodeString(c.id(64))
			key = append(key, more...)
		}
		key = key[:size]
		blob, err := c.seal(k, key, c.In.strMap("EncryptionContext"))
		if err != nil {
			return nil, err
		}
		out := obj{"CiphertextBlob": blob, "KeyId": k.arn()}
		if plain {
			out["Plaintext"] = encoded(key)
		}
		return out, nil
	}
}
