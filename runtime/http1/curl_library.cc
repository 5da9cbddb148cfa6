#include "runtime/http1/curl_library.h"

#include <dlfcn.h>

#include "runtime/core/assert.h"

namespace steeple::runtime {
namespace {

constexpr const char* kCurlFile = "libcurl.so.4";
const CurlLibrary* loaded = nullptr;

template <class Function>
bool find(void* library, const char* name, Function& out) {
  out = reinterpret_cast<Function>(::dlsym(library, name));
  return out != nullptr;
}

bool find_all(void* library, CurlLibrary& out) {
  return find(library, "curl_global_init", out.global_init) && find(library, "curl_easy_init", out.easy_init) &&
         find(library, "curl_easy_cleanup", out.easy_cleanup) && find(library, "curl_easy_setopt", out.easy_setopt) &&
         find(library, "curl_easy_reset", out.easy_reset) && find(library, "curl_easy_getinfo", out.easy_getinfo) &&
         find(library, "curl_easy_strerror", out.easy_strerror) &&
         find(library, "curl_slist_append", out.slist_append) &&
         find(library, "curl_slist_free_all", out.slist_free_all) && find(library, "curl_multi_init", out.multi_init) &&
         find(library, "curl_multi_cleanup", out.multi_cleanup) &&
         find(library, "curl_multi_add_handle", out.multi_add_handle) &&
         find(library, "curl_multi_remove_handle", out.multi_remove_handle) &&
         find(library, "curl_multi_perform", out.multi_perform) && find(library, "curl_multi_poll", out.multi_poll) &&
         find(library, "curl_multi_wakeup", out.multi_wakeup) &&
         find(library, "curl_multi_info_read", out.multi_info_read);
}

}  // namespace

Result<const CurlLibrary*> CurlLibrary::load() {
  if (loaded) return loaded;
  static CurlLibrary library;
  void* file = ::dlopen(kCurlFile, RTLD_NOW | RTLD_LOCAL);
  if (file == nullptr) {
    const char* why = ::dlerror();
    return Error(ErrorCode::kFailedPrecondition,
                 std::string("HTTP downloads need libcurl: ") + (why ? why : kCurlFile));
  }
  if (!find_all(file, library)) {
    return Error(ErrorCode::kFailedPrecondition, std::string("HTTP downloads need a newer ") + kCurlFile);
  }
  if (library.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
    return Error(ErrorCode::kInternal, "cannot start the HTTP library");
  }
  loaded = &library;
  return loaded;
}

const CurlLibrary& curl() {
  STEEPLE_ASSERT(loaded != nullptr);
  return *loaded;
}

}  // namespace steeple::runtime
