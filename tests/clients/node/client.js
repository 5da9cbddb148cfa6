// A workload in Node.js, on @grpc/grpc-js and the protocol's own definition. See tests/clients/README.md for what each command prints.
'use strict';
const crypto = require('node:crypto');
const path = require('node:path');
const tls = require('node:tls');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const CALL_TIMEOUT_MS = 30000;
const RETRY_MS = 500;
const USAGE = 'usage: client.js fetch | watch [N] | jwt AUDIENCE | validate AUDIENCE TOKEN | verify AUDIENCE TOKEN | serve ID... | dial ID@ADDRESS...';

const show = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

function connect() {
  const definition = loader.loadSync(path.join(__dirname, 'workload.proto'), { keepCase: true, defaults: true, objects: true });
  const { SpiffeWorkloadAPI } = grpc.loadPackageDefinition(definition);
  return new SpiffeWorkloadAPI(process.env.SPIFFE_ENDPOINT_SOCKET, grpc.credentials.createInsecure());
}

function header() {
  const metadata = new grpc.Metadata();
  metadata.set('workload.spiffe.io', 'true');
  return metadata;
}

// The DER certificates of a concatenation: each is a SEQUENCE whose header says how long it is.
function certificates(der) {
  const found = [];
  for (let at = 0; at < der.length;) {
    let length = der[at + 1];
    let head = 2;
    if (length > 127) {
      head += length & 127;
      length = der.readUIntBE(at + 2, length & 127);
    }
    found.push(new crypto.X509Certificate(der.subarray(at, at + head + length)));
    at += head + length;
  }
  return found;
}

const uri = (certificate) => (certificate.subjectAltName ?? '').split(', ').find((name) => name.startsWith('URI:'))?.slice(4);
const valid = (certificate) => Date.parse(certificate.validFrom) <= Date.now() && Date.now() < Date.parse(certificate.validTo);

// Verifies chain and key of the default SVID.
function check(response) {
  const [first] = response.svids;
  const chain = certificates(first.x509_svid);
  const roots = certificates(first.bundle);
  chain.forEach((certificate, index) => {
    const issuers = index + 1 < chain.length ? [chain[index + 1]] : roots;
    if (!valid(certificate) || !issuers.some((one) => certificate.checkIssued(one) && certificate.verify(one.publicKey))) {
      throw new Error(`certificate ${index} of the chain does not verify`);
    }
  });
  const key = crypto.createPrivateKey({ key: first.x509_svid_key, format: 'der', type: 'pkcs8' });
  if (!chain[0].checkPrivateKey(key)) throw new Error('the private key does not belong to the certificate');
  if (uri(chain[0]) !== first.spiffe_id) throw new Error(`the certificate says ${chain[0].subjectAltName}`);
  const domains = [new URL(first.spiffe_id).host, ...Object.keys(response.federated_bundles).map((domain) => new URL(domain).host)];
  return { chain, roots, key, line: { spiffe_id: first.spiffe_id, serial: chain[0].serialNumber.toLowerCase(), trust_domains: domains.sort() } };
}

function first(method = 'FetchX509SVID') {
  return new Promise((resolve, reject) => {
    const stream = connect()[method]({}, header(), { deadline: Date.now() + CALL_TIMEOUT_MS });
    stream.on('error', reject);
    stream.on('data', (response) => {
      stream.removeListener('error', reject).on('error', () => {});
      stream.cancel();
      resolve(response);
    });
  });
}

// Calls `each` with every update until it returns false; a stream that ends is opened again.
function watchAll(each) {
  const client = connect();
  const open = () => {
    const stream = client.FetchX509SVID({}, header());
    let done = false;
    stream.on('data', (response) => {
      done ||= each(response) === false;
      if (done) stream.cancel();
    });
    stream.on('error', (error) => {
      if (done) return client.close();
      process.stderr.write(`${error.message}\n`);
      setTimeout(open, RETRY_MS);
    });
  };
  open();
}

function unary(method, request) {
  return new Promise((resolve, reject) => {
    connect()[method](request, header(), { deadline: Date.now() + CALL_TIMEOUT_MS }, (error, response) => (error ? reject(error) : resolve(response)));
  });
}

// Verifies a token with the JWT bundles of the agent.
async function verify(audience, token) {
  const { bundles } = await first('FetchJWTBundles');
  const [head, body, signature] = token.split('.');
  const [{ alg, kid }, claims] = [head, body].map((part) => JSON.parse(Buffer.from(part, 'base64url')));
  const keys = bundles[`spiffe://${new URL(claims.sub).host}`];
  const jwk = keys && JSON.parse(keys).keys.find((one) => one.kid === kid);
  if (!jwk) throw new Error(`no key ${kid} of the trust domain of ${claims.sub}`);
  if (alg !== 'ES256') throw new Error(`algorithm ${alg} is not supported`);
  const key = crypto.createPublicKey({ key: jwk, format: 'jwk' });
  const genuine = crypto.verify('sha256', `${head}.${body}`, { key, dsaEncoding: 'ieee-p1363' }, Buffer.from(signature, 'base64url'));
  if (!genuine) throw new Error('the signature does not verify');
  if (!(Date.now() < claims.exp * 1000)) throw new Error('the token has expired');
  if (![claims.aud].flat().includes(audience)) throw new Error(`the audience is ${claims.aud}`);
  show({ spiffe_id: claims.sub, trust_domains: Object.keys(bundles).map((domain) => new URL(domain).host).sort() });
}

const pem = (list) => list.map((certificate) => certificate.toString()).join('');
const credentials = ({ chain, roots, key }) => ({ cert: pem(chain), key: key.export({ type: 'pkcs8', format: 'pem' }), ca: pem(roots), minVersion: 'TLSv1.2' });
const peerId = (socket) => uri(new crypto.X509Certificate(socket.getPeerCertificate().raw));

function answer(socket, allowed) {
  const peer = peerId(socket);
  socket.on('error', () => {});
  if (!allowed.includes(peer)) {
    show({ refused: `unexpected peer ${peer}` });
    return socket.destroy();
  }
  socket.once('data', () => {
    socket.end(`hello ${peer}\n`);
    show({ peer });
  });
}

async function serve(...allowed) {
  const server = tls.createServer({ ...credentials(check(await first())), requestCert: true, rejectUnauthorized: true }, (socket) => answer(socket, allowed));
  server.on('tlsClientError', (error) => show({ refused: error.message }));
  watchAll((response) => server.setSecureContext(credentials(check(response))));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  show({ port: server.address().port });
  await new Promise(() => {});
}

function dialOne(own, target) {
  const [expected, address] = target.split('@');
  const [host, port] = address.split(':');
  return new Promise((resolve) => {
    const refused = (error) => resolve({ target, refused: error.message });
    // The name to check is the SPIFFE ID, not a host name.
    const checkServerIdentity = (_, certificate) => {
      const id = uri(new crypto.X509Certificate(certificate.raw));
      return id === expected ? undefined : new Error(`unexpected peer ${id}`);
    };
    const socket = tls.connect({ ...own, host, port, checkServerIdentity, timeout: CALL_TIMEOUT_MS }, () => socket.write('hello\n'));
    socket.on('error', refused);
    socket.on('timeout', () => socket.destroy(new Error('timed out')));
    socket.on('close', () => refused(new Error('closed without an answer')));
    socket.once('data', (bytes) => resolve({ target, peer: peerId(socket), answer: bytes.toString().trim() }));
  });
}

async function dial(...targets) {
  const own = credentials(check(await first()));
  for (const target of targets) show(await dialOne(own, target));
}

const COMMANDS = {
  fetch: async () => show(check(await first()).line),
  watch: (count = '0') => new Promise((resolve) => {
    let left = Number(count);
    watchAll((response) => {
      show(check(response).line);
      left -= 1;
      if (left === 0) resolve();
      return left !== 0;
    });
  }),
  jwt: async (audience) => {
    const { svids: [svid] } = await unary('FetchJWTSVID', { audience: [audience] });
    show({ spiffe_id: svid.spiffe_id, token: svid.svid });
  },
  validate: async (audience, svid) => show({ spiffe_id: (await unary('ValidateJWTSVID', { audience, svid })).spiffe_id }),
  verify,
  serve,
  dial,
};

async function main([command, ...rest]) {
  if (!Object.hasOwn(COMMANDS, command ?? '')) throw new Error(USAGE);
  process.on('SIGTERM', () => process.exit(0));
  await COMMANDS[command](...rest);
  process.exit(0);
}

main(process.argv.slice(2)).catch((error) => {
  show({ error: error.message });
  process.exit(1);
});
