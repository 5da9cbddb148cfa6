import java.util.LinkedHashMap;
import java.util.Map;

/** Lines of JSON, by the one JSON writer that the library brings along. */
final class Json {
  private Json() {}

  static synchronized void print(Map<String, Object> line) {
    System.out.println(com.nimbusds.jose.util.JSONObjectUtils.toJSONString(line));
  }

  static void print(Object... keysAndValues) {
    Map<String, Object> line = new LinkedHashMap<>();
    for (int i = 0; i < keysAndValues.length; i += 2) {
      line.put((String) keysAndValues[i], keysAndValues[i + 1]);
    }
    print(line);
  }

  /** The error and its causes, as the library tells the agent's words in the causes only. */
  static String text(Throwable error) {
    String own = error.getMessage() == null ? error.getClass().getName() : error.getMessage();
    return error.getCause() == null || error.getCause() == error ? own : own + ": " + text(error.getCause());
  }
}
