// An external signer of service account tokens (KEP-740) with the keys of a folder, for the end-to-end tests:
// it reads keys.json anew for each request, so keys change without a restart of the API server.
//
//	external-signer SOCKET FOLDER
//
// keys.json: {"signs": "kid", "keys": [{"kid": "any string", "file": "/absolute/sa.key"}]}
package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log"
	"net"
	"os"
	"path/filepath"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"
	v1 "k8s.io/externaljwt/apis/v1"
)

type entry struct {
	Kid  string `json:"kid"`
	File string `json:"file"`
}

type state struct {
	Signs string  `json:"signs"`
	Keys  []entry `json:"keys"`
}

type signer struct {
	v1.UnimplementedExternalJWTSignerServer
	folder string
}

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: external-signer SOCKET FOLDER")
	}
	listener, err := net.Listen("unix", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer()
	v1.RegisterExternalJWTSignerServer(server, &signer{folder: os.Args[2]})
	log.Print("serving")
	log.Fatal(server.Serve(listener))
}

func (s *signer) read() (state, error) {
	var now state
	text, err := os.ReadFile(filepath.Join(s.folder, "keys.json"))
	if err != nil {
		return now, err
	}
	return now, json.Unmarshal(text, &now)
}

// readKey reads what `issuerctl keygen` writes: PKCS#1 or SEC 1.
func readKey(file string) (crypto.Signer, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s is not PEM", file)
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	return x509.ParseECPrivateKey(block.Bytes)
}

func (s *signer) Sign(_ context.Context, request *v1.SignJWTRequest) (*v1.SignJWTResponse, error) {
	now, err := s.read()
	if err != nil {
		return nil, err
	}
	for _, one := range now.Keys {
		if one.Kid != now.Signs {
			continue
		}
		key, err := readKey(one.File)
		if err != nil {
			return nil, err
		}
		return sign(key, one.Kid, request.Claims)
	}
	return nil, fmt.Errorf("no key has the kid %q", now.Signs)
}

func sign(key crypto.Signer, kid, claims string) (*v1.SignJWTResponse, error) {
	alg := "RS256"
	if _, ok := key.(*ecdsa.PrivateKey); ok {
		alg = "ES256"
	}
	fields, err := json.Marshal(map[string]string{"alg": alg, "kid": kid, "typ": "JWT"})
	if err != nil {
		return nil, err
	}
	header := base64.RawURLEncoding.EncodeToString(fields)
	digest := sha256.Sum256([]byte(header + "." + claims))
	var signature []byte
	switch key := key.(type) {
	case *rsa.PrivateKey:
		signature, err = rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
		if err != nil {
			return nil, err
		}
	case *ecdsa.PrivateKey:
		r, t, err := ecdsa.Sign(rand.Reader, key, digest[:])
		if err != nil {
			return nil, err
		}
		signature = append(r.FillBytes(make([]byte, 32)), t.FillBytes(make([]byte, 32))...)
	default:
		return nil, fmt.Errorf("%T is not supported", key)
	}
	encoded := base64.RawURLEncoding.EncodeToString(signature)
	return &v1.SignJWTResponse{Header: header, Signature: encoded}, nil
}

func (s *signer) FetchKeys(context.Context, *v1.FetchKeysRequest) (*v1.FetchKeysResponse, error) {
	now, err := s.read()
	if err != nil {
		return nil, err
	}
	// The API server asks again after a second.
	answer := &v1.FetchKeysResponse{DataTimestamp: timestamppb.Now(), RefreshHintSeconds: 1}
	for _, one := range now.Keys {
		key, err := readKey(one.File)
		if err != nil {
			return nil, err
		}
		public, err := x509.MarshalPKIXPublicKey(key.Public())
		if err != nil {
			return nil, err
		}
		answer.Keys = append(answer.Keys, &v1.Key{KeyId: one.Kid, Key: public})
	}
	return answer, nil
}

func (s *signer) Metadata(context.Context, *v1.MetadataRequest) (*v1.MetadataResponse, error) {
	return &v1.MetadataResponse{MaxTokenExpirationSeconds: 24 * 60 * 60}, nil
}
