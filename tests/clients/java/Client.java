import io.spiffe.bundle.jwtbundle.JwtBundleSet;
import io.spiffe.svid.jwtsvid.JwtSvid;
import io.spiffe.workloadapi.DefaultWorkloadApiClient;
import io.spiffe.workloadapi.Watcher;
import io.spiffe.workloadapi.WorkloadApiClient;
import io.spiffe.workloadapi.X509Context;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;

/** A workload in Java, on java-spiffe. See tests/clients/README.md for what each command prints. */
public final class Client {
  static final int CALL_SECONDS = 30;

  interface Command {
    void run(WorkloadApiClient api) throws Exception;
  }

  private static void withApi(Command command) throws Exception {
    try (WorkloadApiClient api = DefaultWorkloadApiClient.newClient()) {
      command.run(api);
    }
  }

  /** The library's single calls wait without an end: they get one here. */
  private static void withinTime(Command command) throws Exception {
    ExecutorService executor = Executors.newSingleThreadExecutor();
    try {
      executor.submit(() -> {
        withApi(command);
        return null;
      }).get(CALL_SECONDS, TimeUnit.SECONDS);
    } catch (java.util.concurrent.ExecutionException failed) {
      throw failed.getCause() instanceof Exception cause ? cause : failed;
    } finally {
      executor.shutdownNow();
    }
  }

  private static void watch(long count) throws Exception {
    withApi(api -> {
      CountDownLatch left = new CountDownLatch(count == 0 ? Integer.MAX_VALUE : (int) count);
      api.watchX509Context(new Watcher<>() {
        @Override
        public void onUpdate(X509Context context) {
          try {
            Json.print(Identity.check(context));
          } catch (Exception error) {
            Json.print("error", Json.text(error));
          }
          left.countDown();
        }

        @Override
        public void onError(Throwable error) {
          System.err.println(Json.text(error));
        }
      });
      left.await();
    });
  }

  private static void verify(WorkloadApiClient api, String audience, String token) throws Exception {
    JwtBundleSet bundles = api.fetchJwtBundles();
    JwtSvid svid = JwtSvid.parseAndValidate(token, bundles, Set.of(audience));
    Json.print("spiffe_id", svid.getSpiffeId().toString(), "trust_domains", Identity.names(bundles.getBundles().keySet()));
  }

  private static void run(String command, List<String> rest) throws Exception {
    switch (command + "/" + rest.size()) {
      case "fetch/0" -> withinTime(api -> Json.print(Identity.check(api.fetchX509Context())));
      case "watch/0" -> watch(0);
      case "watch/1" -> watch(Long.parseLong(rest.get(0)));
      case "jwt/1" -> withinTime(api -> {
        JwtSvid svid = api.fetchJwtSvid(rest.get(0));
        Json.print("spiffe_id", svid.getSpiffeId().toString(), "token", svid.getToken());
      });
      case "validate/2" -> withinTime(api -> Json.print("spiffe_id", api.validateJwtSvid(rest.get(1), rest.get(0)).getSpiffeId().toString()));
      case "verify/2" -> withinTime(api -> verify(api, rest.get(0), rest.get(1)));
      default -> {
        switch (command) {
          case "serve" -> MutualTls.serve(rest);
          case "dial" -> MutualTls.dial(rest);
          default -> throw new IllegalArgumentException("usage: client fetch | watch [N] | jwt AUDIENCE | validate AUDIENCE TOKEN"
              + " | verify AUDIENCE TOKEN | serve ID... | dial ID@ADDRESS...");
        }
      }
    }
  }

  public static void main(String[] arguments) {
    Runtime.getRuntime().addShutdownHook(new Thread(() -> Runtime.getRuntime().halt(0))); // SIGTERM is the normal end
    int code = 0;
    try {
      run(arguments.length == 0 ? "" : arguments[0], Arrays.asList(arguments).subList(Math.min(1, arguments.length), arguments.length));
    } catch (Exception error) {
      Json.print("error", Json.text(error));
      code = 1;
    }
    Runtime.getRuntime().halt(code); // threads of the library that are left do not hold it up
  }
}
