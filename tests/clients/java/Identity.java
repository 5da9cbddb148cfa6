import io.spiffe.spiffeid.TrustDomain;
import io.spiffe.svid.x509svid.X509Svid;
import io.spiffe.svid.x509svid.X509SvidValidator;
import io.spiffe.workloadapi.X509Context;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.Signature;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

final class Identity {
  private Identity() {}

  static List<String> names(Collection<TrustDomain> domains) {
    return domains.stream().map(TrustDomain::getName).toList();
  }

  /** What one key signs, the other verifies. */
  private static void checkKey(X509Svid svid) throws GeneralSecurityException {
    String algorithm = svid.getPrivateKey().getAlgorithm().equals("RSA") ? "SHA256withRSA" : "SHA256withECDSA";
    byte[] message = "whose key is it?".getBytes(StandardCharsets.UTF_8);
    Signature signer = Signature.getInstance(algorithm);
    signer.initSign(svid.getPrivateKey());
    signer.update(message);
    Signature verifier = Signature.getInstance(algorithm);
    verifier.initVerify(svid.getLeaf().getPublicKey());
    verifier.update(message);
    if (!verifier.verify(signer.sign())) {
      throw new GeneralSecurityException("the private key does not belong to the certificate");
    }
  }

  /** Verifies chain and key of the default SVID and tells what it is. */
  static Map<String, Object> check(X509Context context) throws Exception {
    X509Svid svid = context.getDefaultSvid();
    X509SvidValidator.verifyChain(svid.getChain(), context.getX509BundleSet());
    checkKey(svid);
    Map<String, Object> line = new LinkedHashMap<>();
    line.put("spiffe_id", svid.getSpiffeId().toString());
    line.put("serial", svid.getLeaf().getSerialNumber().toString(16));
    line.put("trust_domains", names(context.getX509BundleSet().getBundles().keySet()));
    return line;
  }
}
