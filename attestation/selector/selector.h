// What an attestor found out: `type:value` facts about a process or a node. A registration entry lists selectors; it
// applies to whoever has all of them (server-sync 4.2). Value types, any thread.
#pragma once

#include <compare>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace steeple::attestation {

class Selector {
 public:
  Selector(std::string type, std::string value) : type_(std::move(type)), value_(std::move(value)) {}
  const std::string& type() const { return type_; }
  const std::string& value() const { return value_; }
  std::string text() const { return type_ + ":" + value_; }
  auto operator<=>(const Selector&) const = default;

 private:
  std::string type_;
  std::string value_;
};

// Sorted by type, then value; each once.
class Selectors {
 public:
  Selectors() = default;
  explicit Selectors(std::vector<Selector> items);
  static Selectors of_type(std::string_view type, std::vector<std::string> values);

  void merge(const Selectors& other);
  bool contains(const Selector& selector) const;
  bool is_subset_of(const Selectors& other) const;
  bool empty() const { return items_.empty(); }
  std::size_t size() const { return items_.size(); }
  auto begin() const { return items_.begin(); }
  auto end() const { return items_.end(); }
  const std::vector<Selector>& items() const { return items_; }
  auto operator<=>(const Selectors&) const = default;

 private:
  std::vector<Selector> items_;
};

}  // namespace steeple::attestation
