#include "agent/config/hcl/view.h"

namespace steeple::agent::hcl {
namespace {

Position position_of(std::span<const Token> keys) { return keys.empty() ? Position{} : keys.front().position; }

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

Position ItemView::position() const { return position_of(keys()); }

const Node* View::node() const {
  const Node* const* node = std::get_if<const Node*>(&what_);
  return node ? *node : nullptr;
}

const Node* View::literal() const {
  const Node* found = node();
  return found && found->kind == NodeKind::kLiteral ? found : nullptr;
}

Position View::position() const {
  if (const Node* found = node()) return found->position;
  if (const ItemView* found = item()) return found->position();
  return items()->empty() ? Position{} : items()->front().position();
}

std::string_view View::kind_name() const {
  if (item()) return "*ast.ObjectItem";
  if (items()) return "*ast.ObjectList";
  switch (node()->kind) {
    case NodeKind::kLiteral:
      return "*ast.LiteralType";
    case NodeKind::kList:
      return "*ast.ListType";
    case NodeKind::kObject:
      return "*ast.ObjectType";
  }
  return "*ast.ObjectType";
}

std::vector<ItemView> items_of(const Node& object) {
  std::vector<ItemView> views;
  views.reserve(object.items.size());
  for (const Item& item : object.items) views.push_back(ItemView{&item, 0});
  return views;
}

std::vector<ItemView> take_key(std::span<const ItemView> items, std::string_view key) {
  std::vector<ItemView> taken;
  for (const ItemView& view : items) {
    if (!view.keys().empty() && same_key(view.keys().front().value, key)) {
      taken.push_back(ItemView{view.item, view.skip + 1});
    }
  }
  return taken;
}

bool same_key(std::string_view left, std::string_view right) {
  if (left.size() != right.size()) return false;
  for (std::size_t i = 0; i < left.size(); ++i) {
    if (lower(left[i]) != lower(right[i])) return false;
  }
  return true;
}

}  // namespace steeple::agent::hcl
