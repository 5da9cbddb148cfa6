# cmake -DIN=descriptors.pb -DOUT=descriptors.cc -P embed.cmake: the bytes of a file as a C++ source.
file(READ ${IN} hex HEX)
string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
string(REGEX REPLACE "(................................................................................)" "\\1\n" bytes "${bytes}")
file(WRITE ${OUT} "#include \"agent/proto/descriptors.h\"\n
namespace steeple::agent {
namespace {\n
constexpr unsigned char kDescriptors[] = {\n${bytes}};\n
}  // namespace\n
runtime::BytesView public_descriptors() { return kDescriptors; }\n
}  // namespace steeple::agent\n")
