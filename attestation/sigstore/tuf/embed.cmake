# cmake -DIN=root.json -DOUT=embedded_root.cc -P embed.cmake: the public repository's root as a C++ source.
file(READ ${IN} hex HEX)
string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
string(REGEX REPLACE "(................................................................................)" "\\1\n" bytes "${bytes}")
file(WRITE ${OUT} "#include \"attestation/sigstore/tuf/tuf_repository.h\"\n
namespace steeple::attestation {
namespace {\n
constexpr unsigned char kRoot[] = {\n${bytes}};\n
}  // namespace\n
std::string_view embedded_tuf_root() { return runtime::as_text(kRoot); }\n
}  // namespace steeple::attestation\n")
