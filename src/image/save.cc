#include "image/store.h"

namespace berth::image {
void Store::save(const std::vector<std::string>&, ByteSink&) { throw not_implemented("save"); }
std::vector<DeleteResponse> Store::remove(const std::string&, bool, bool) { throw not_implemented("remove"); }
}  // namespace berth::image
