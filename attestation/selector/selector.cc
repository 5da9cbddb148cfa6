#include "attestation/selector/selector.h"

#include <algorithm>

namespace steeple::attestation {

Selectors::Selectors(std::vector<Selector> items) : items_(std::move(items)) {
  std::sort(items_.begin(), items_.end());
  items_.erase(std::unique(items_.begin(), items_.end()), items_.end());
}

Selectors Selectors::of_type(std::string_view type, std::vector<std::string> values) {
  std::vector<Selector> items;
  items.reserve(values.size());
  for (std::string& value : values) items.emplace_back(std::string(type), std::move(value));
  return Selectors(std::move(items));
}

void Selectors::merge(const Selectors& other) {
  items_.insert(items_.end(), other.items_.begin(), other.items_.end());
  std::sort(items_.begin(), items_.end());
  items_.erase(std::unique(items_.begin(), items_.end()), items_.end());
}

bool Selectors::contains(const Selector& selector) const {
  return std::binary_search(items_.begin(), items_.end(), selector);
}

bool Selectors::is_subset_of(const Selectors& other) const {
  return std::includes(other.items_.begin(), other.items_.end(), items_.begin(), items_.end());
}

}  // namespace steeple::attestation
