import io.spiffe.provider.SpiffeSslContextFactory;
import io.spiffe.provider.SpiffeSslContextFactory.SslContextOptions;
import io.spiffe.spiffeid.SpiffeId;
import io.spiffe.workloadapi.DefaultX509Source;
import io.spiffe.workloadapi.X509Source;
import java.io.BufferedReader;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.cert.Certificate;
import java.security.cert.X509Certificate;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.stream.Collectors;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSocket;

/** Mutual TLS with java-spiffe-provider. */
final class MutualTls {
  private MutualTls() {}

  private static SSLContext context(X509Source source, Set<SpiffeId> accepted) throws GeneralSecurityException {
    return SpiffeSslContextFactory.getSslContext(
        SslContextOptions.builder().x509Source(source).acceptedSpiffeIdsSupplier(() -> accepted).build());
  }

  private static String readLine(SSLSocket socket) throws IOException {
    String line = new BufferedReader(new InputStreamReader(socket.getInputStream(), StandardCharsets.UTF_8)).readLine();
    if (line == null) {
      throw new EOFException("the peer closed without a word");
    }
    return line;
  }

  private static void write(SSLSocket socket, String line) throws IOException {
    socket.getOutputStream().write((line + "\n").getBytes(StandardCharsets.UTF_8));
    socket.getOutputStream().flush();
  }

  private static String peerId(SSLSocket socket) throws Exception {
    Certificate[] chain = socket.getSession().getPeerCertificates();
    for (List<?> name : ((X509Certificate) chain[0]).getSubjectAlternativeNames()) {
      if (Integer.valueOf(6).equals(name.get(0))) {
        return (String) name.get(1);
      }
    }
    throw new GeneralSecurityException("the peer's certificate has no URI");
  }

  private static void answer(SSLSocket socket) {
    try (socket) {
      socket.setSoTimeout(Client.CALL_SECONDS * 1000);
      readLine(socket);
      String peer = peerId(socket);
      write(socket, "hello " + peer);
      Json.print("peer", peer);
    } catch (Exception error) {
      Json.print("refused", Json.text(error));
    }
  }

  static void serve(List<String> allowed) throws Exception {
    Set<SpiffeId> ids = allowed.stream().map(SpiffeId::parse).collect(Collectors.toSet());
    SSLContext context = context(DefaultX509Source.newSource(), ids);
    ExecutorService connections = Executors.newCachedThreadPool();
    InetAddress loopback = InetAddress.getByName("127.0.0.1");
    try (SSLServerSocket listener = (SSLServerSocket) context.getServerSocketFactory().createServerSocket(0, 50, loopback)) {
      listener.setNeedClientAuth(true);
      Json.print("port", listener.getLocalPort());
      while (true) {
        SSLSocket socket = (SSLSocket) listener.accept();
        connections.submit(() -> answer(socket));
      }
    }
  }

  private static Map<String, Object> dialOne(X509Source source, String target) throws Exception {
    String[] parts = target.split("@", 2);
    String[] address = parts[1].split(":", 2);
    int timeout = Client.CALL_SECONDS * 1000;
    try (Socket plain = new Socket()) {
      plain.connect(new InetSocketAddress(address[0], Integer.parseInt(address[1])), timeout);
      SSLContext context = context(source, Set.of(SpiffeId.parse(parts[0])));
      try (SSLSocket socket = (SSLSocket) context.getSocketFactory().createSocket(plain, address[0], plain.getPort(), true)) {
        socket.setSoTimeout(timeout);
        write(socket, "hello");
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("answer", readLine(socket));
        line.put("peer", peerId(socket));
        return line;
      }
    }
  }

  static void dial(List<String> targets) throws Exception {
    try (DefaultX509Source source = DefaultX509Source.newSource()) {
      for (String target : targets) {
        Map<String, Object> line = new LinkedHashMap<>();
        try {
          line.putAll(dialOne(source, target));
        } catch (Exception error) {
          line.put("refused", Json.text(error));
        }
        line.put("target", target);
        Json.print(line);
      }
    }
  }
}
