// A workload in Go, on go-spiffe. See tests/clients/README.md for what each command prints.
package main

import (
	"bufio"
	"context"
	"crypto"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

const callTimeout = 30 * time.Second

type fields map[string]any

func print(line fields) {
	if err := json.NewEncoder(os.Stdout).Encode(line); err != nil {
		panic(err)
	}
}

// check verifies chain and key of the default SVID and tells what it is.
func check(got *workloadapi.X509Context) (fields, error) {
	svid := got.DefaultSVID()
	if _, _, err := x509svid.Verify(svid.Certificates, got.Bundles); err != nil {
		return nil, err
	}
	leaf := svid.Certificates[0]
	if own, ok := svid.PrivateKey.Public().(interface{ Equal(crypto.PublicKey) bool }); !ok || !own.Equal(leaf.PublicKey) {
		return nil, errors.New("the private key does not belong to the certificate")
	}
	domains := []string{}
	for _, bundle := range got.Bundles.Bundles() {
		domains = append(domains, bundle.TrustDomain().Name())
	}
	return fields{"spiffe_id": svid.ID.String(), "serial": leaf.SerialNumber.Text(16), "trust_domains": domains}, nil
}

func fetch(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	got, err := workloadapi.FetchX509Context(ctx)
	if err != nil {
		return err
	}
	line, err := check(got)
	if err != nil {
		return err
	}
	print(line)
	return nil
}

type watcher struct {
	left int
	done context.CancelFunc
}

func (w *watcher) OnX509ContextUpdate(got *workloadapi.X509Context) {
	line, err := check(got)
	if err != nil {
		line = fields{"error": err.Error()}
	}
	print(line)
	if w.left--; w.left == 0 {
		w.done()
	}
}

func (w *watcher) OnX509ContextWatchError(err error) {
	fmt.Fprintln(os.Stderr, err)
}

func watch(ctx context.Context, arguments []string) error {
	count := 0
	if len(arguments) > 0 {
		var err error
		if count, err = strconv.Atoi(arguments[0]); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := workloadapi.WatchX509Context(ctx, &watcher{left: count, done: cancel}); ctx.Err() == nil {
		return err
	}
	return nil
}

func jwt(ctx context.Context, audience string) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	svid, err := workloadapi.FetchJWTSVID(ctx, jwtsvid.Params{Audience: audience})
	if err != nil {
		return err
	}
	print(fields{"spiffe_id": svid.ID.String(), "token": svid.Marshal()})
	return nil
}

func validate(ctx context.Context, audience, token string) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	svid, err := workloadapi.ValidateJWTSVID(ctx, token, audience)
	if err != nil {
		return err
	}
	print(fields{"spiffe_id": svid.ID.String()})
	return nil
}

func verify(ctx context.Context, audience, token string) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	bundles, err := workloadapi.FetchJWTBundles(ctx)
	if err != nil {
		return err
	}
	svid, err := jwtsvid.ParseAndValidate(token, bundles, []string{audience})
	if err != nil {
		return err
	}
	domains := []string{}
	for _, bundle := range bundles.Bundles() {
		domains = append(domains, bundle.TrustDomain().Name())
	}
	print(fields{"spiffe_id": svid.ID.String(), "trust_domains": domains})
	return nil
}

func peerID(conn *tls.Conn) string {
	id, err := x509svid.IDFromCert(conn.ConnectionState().PeerCertificates[0])
	if err != nil {
		return err.Error()
	}
	return id.String()
}

func answer(conn *tls.Conn) {
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(callTimeout))
	if _, err := bufio.NewReader(conn).ReadString('\n'); err != nil {
		print(fields{"refused": err.Error()})
		return
	}
	peer := peerID(conn)
	fmt.Fprintf(conn, "hello %s\n", peer)
	print(fields{"peer": peer})
}

func serve(ctx context.Context, allowed []string) error {
	ids := []spiffeid.ID{}
	for _, text := range allowed {
		id, err := spiffeid.FromString(text)
		if err != nil {
			return err
		}
		ids = append(ids, id)
	}
	source, err := workloadapi.NewX509Source(ctx)
	if err != nil {
		return err
	}
	defer source.Close()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", tlsconfig.MTLSServerConfig(source, source, tlsconfig.AuthorizeOneOf(ids...)))
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { listener.Close() })
	print(fields{"port": listener.Addr().(*net.TCPAddr).Port})
	for {
		conn, err := listener.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		go answer(conn.(*tls.Conn))
	}
}

func dialOne(source *workloadapi.X509Source, expected, address string) (fields, error) {
	id, err := spiffeid.FromString(expected)
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: callTimeout}
	conn, err := tls.DialWithDialer(dialer, "tcp", address, tlsconfig.MTLSClientConfig(source, source, tlsconfig.AuthorizeID(id)))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(callTimeout))
	fmt.Fprintln(conn, "hello")
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return nil, err
	}
	return fields{"peer": peerID(conn), "answer": strings.TrimSpace(line)}, nil
}

func dial(ctx context.Context, targets []string) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	source, err := workloadapi.NewX509Source(ctx)
	if err != nil {
		return err
	}
	defer source.Close()
	for _, target := range targets {
		expected, address, _ := strings.Cut(target, "@")
		line, err := dialOne(source, expected, address)
		if err != nil {
			line = fields{"refused": err.Error()}
		}
		line["target"] = target
		print(line)
	}
	return nil
}

func run(ctx context.Context, command string, rest []string) error {
	switch {
	case command == "fetch" && len(rest) == 0:
		return fetch(ctx)
	case command == "watch" && len(rest) <= 1:
		return watch(ctx, rest)
	case command == "jwt" && len(rest) == 1:
		return jwt(ctx, rest[0])
	case command == "validate" && len(rest) == 2:
		return validate(ctx, rest[0], rest[1])
	case command == "verify" && len(rest) == 2:
		return verify(ctx, rest[0], rest[1])
	case command == "serve":
		return serve(ctx, rest)
	case command == "dial":
		return dial(ctx, rest)
	case command == "measure" && len(rest) >= 2:
		return measure(ctx, rest[0], rest[1:])
	}
	return errors.New("usage: client fetch | watch [N] | jwt AUDIENCE | validate AUDIENCE TOKEN | verify AUDIENCE TOKEN | serve ID... | dial ID@ADDRESS... | measure fetch SECONDS | measure jwt SECONDS AUDIENCE | measure watch STREAMS")
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if len(os.Args) < 2 {
		os.Args = append(os.Args, "")
	}
	if err := run(ctx, os.Args[1], os.Args[2:]); err != nil {
		print(fields{"error": err.Error()})
		os.Exit(1)
	}
}
