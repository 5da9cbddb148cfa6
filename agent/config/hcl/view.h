// What decoding looks at: a node, or the items of a block that are left after a key was taken off ("everything below
// KeyManager"). Values that point into a Document; the Document must outlive them. Names of kinds in error texts are
// those SPIRE's users know (config-cli 1.5).
#pragma once

#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include "agent/config/hcl/ast.h"

namespace steeple::agent::hcl {

// An item without its first `skip` keys.
struct ItemView {
  const Item* item = nullptr;
  std::size_t skip = 0;

  std::span<const Token> keys() const { return std::span(item->keys).subspan(skip); }
  const Node& value() const { return *item->value; }
  Position position() const;
};

class View {
 public:
  View(const Node& node) : what_(&node) {}                        // NOLINT(google-explicit-constructor)
  View(ItemView item) : what_(item) {}                            // NOLINT(google-explicit-constructor)
  View(std::vector<ItemView> items) : what_(std::move(items)) {}  // NOLINT(google-explicit-constructor)

  const Node* node() const;     // nothing for items
  const Node* literal() const;  // nothing for anything else
  const ItemView* item() const { return std::get_if<ItemView>(&what_); }
  const std::vector<ItemView>* items() const { return std::get_if<std::vector<ItemView>>(&what_); }
  Position position() const;
  std::string_view kind_name() const;  // "*ast.ListType"

 private:
  std::variant<const Node*, ItemView, std::vector<ItemView>> what_;
};

std::vector<ItemView> items_of(const Node& object);

// The items whose first key is `key`, without it. Upper and lower case are the same.
std::vector<ItemView> take_key(std::span<const ItemView> items, std::string_view key);

bool same_key(std::string_view left, std::string_view right);  // ASCII case folded

}  // namespace steeple::agent::hcl
