#include "agent/config/hcl/object_reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/config/hcl/parse_int.h"
#include "agent/config/hcl/parser.h"
#include "runtime/core/go_text.h"

namespace steeple::agent::hcl {
namespace {

using runtime::Result;

runtime::Error wrong_type(const std::string& path, const View& view, std::string_view wording,
                          std::string_view expected) {
  const Position position = view.position();
  return error_at(position, fmt::format("{}: {} {} (expected {})", path, wording, view.kind_name(), expected));
}

Result<std::string> to_text(const std::string& path, const View& view) {
  if (const Node* node = view.literal()) {
    const TokenKind kind = node->literal.kind;
    if (kind == TokenKind::kNumber || kind == TokenKind::kString || kind == TokenKind::kHeredoc) {
      return node->literal.value;
    }
  }
  return wrong_type(path, view, "unknown type for string", "a string");
}

Result<std::int64_t> to_integer(const std::string& path, const View& view) {
  const Node* node = view.literal();
  if (!node || (node->literal.kind != TokenKind::kNumber && node->literal.kind != TokenKind::kString)) {
    return wrong_type(path, view, "unknown type", "an integer");
  }
  Result<std::int64_t> number = parse_int_any_base(node->literal.value);
  if (number) return number;
  return error_at(view.position(), fmt::format("{}: strconv.ParseInt: parsing {}: {} (expected an integer)", path,
                                               runtime::go_quote(node->literal.value), number.error().message()));
}

// SPIRE before 1.7 also took these, in any case and quoted.
std::optional<bool> old_boolean(const Token& literal) {
  if (literal.kind != TokenKind::kString && literal.kind != TokenKind::kNumber) return std::nullopt;
  if (literal.value == "1" || same_key(literal.value, "true")) return true;
  if (literal.value == "0" || same_key(literal.value, "false")) return false;
  return std::nullopt;
}

Result<bool> to_boolean(const std::string& path, const View& view, ReadNotes* notes) {
  if (const Node* node = view.literal()) {
    if (node->literal.kind == TokenKind::kBool) return node->literal.value == "true";
    if (const std::optional<bool> old = old_boolean(node->literal)) {
      if (notes) notes->old_booleans.push_back(path);
      return *old;
    }
  }
  return wrong_type(path, view, "unknown type", "true or false");
}

Result<void> append_texts(const std::string& path, const View& view, std::vector<std::string>& out) {
  const Node* node = view.node();
  if (node && node->kind == NodeKind::kLiteral) {
    return error_at(view.position(),
                    fmt::format("unknown slice type: {} ({}: expected a list)", view.kind_name(), path));
  }
  std::vector<View> elements;
  if (view.items()) {
    for (const ItemView& item : *view.items()) elements.emplace_back(item);
  } else if (node && node->kind == NodeKind::kList) {
    for (const auto& element : node->elements) elements.emplace_back(*element);
  } else {
    elements.push_back(view);
  }
  for (std::size_t i = 0; i < elements.size(); ++i) {
    STEEPLE_TRY(text, to_text(fmt::format("{}[{}]", path, i), elements[i]));
    out.push_back(std::move(text));
  }
  return {};
}

// A member's value: of labelled ones, all of that name together.
View member_value(const std::vector<ItemView>& items, const ItemView& item) {
  if (item.keys().size() > 1) return take_key(items, item.keys().front().value);
  if (item.value().kind == NodeKind::kObject) return items_of(item.value());
  return item.value();
}

// The elements of a list of blocks. Of a labelled block (`M3 "a" { }`) the label means nothing; in the JSON form such a
// label may have been chained to the one member it holds, and is taken apart again.
Result<std::vector<View>> block_elements(const std::string& path, const View& view) {
  std::vector<View> elements;
  if (view.items()) {
    for (const ItemView& item : *view.items()) {
      if (item.keys().size() == 2) {
        elements.emplace_back(std::vector<ItemView>{ItemView{item.item, item.skip + 1}});
      } else {
        elements.emplace_back(item);
      }
    }
    return elements;
  }
  const Node* node = view.node();
  if (node && node->kind == NodeKind::kList) {
    for (const auto& element : node->elements) elements.emplace_back(*element);
    return elements;
  }
  return error_at(view.position(),
                  fmt::format("unknown slice type: {} ({}: expected a list of blocks)", view.kind_name(), path));
}

}  // namespace

void UnknownKeys::add(const UnknownKeys& other) {
  fatal.insert(fatal.end(), other.fatal.begin(), other.fatal.end());
  unnoticed.insert(unnoticed.end(), other.unnoticed.begin(), other.unnoticed.end());
}

ObjectReader::ObjectReader(std::string path, std::vector<ItemView> items, ReadNotes* notes)
    : path_(std::move(path)), items_(std::move(items)), notes_(notes) {}

Result<ObjectReader> ObjectReader::open(std::string path, const View& view, ReadNotes* notes) {
  if (view.items()) return ObjectReader(std::move(path), *view.items(), notes);
  const ItemView* item = view.item();
  const Node* node = item ? &item->value() : view.node();
  if (node->kind == NodeKind::kObject) return ObjectReader(std::move(path), items_of(*node), notes);
  // `a = 1` as an element of a list of blocks: a block with this one member.
  if (item && node->kind == NodeKind::kLiteral) return ObjectReader(std::move(path), {*item}, notes);
  return error_at(node->position, fmt::format("{}: not an object type for struct ({}) (expected a block)", path,
                                              View(*node).kind_name()));
}

// The values of a key: first all labelled blocks of this name together, then each plain one.
std::vector<View> ObjectReader::matches(std::string_view key) {
  asked_.emplace_back(key);
  std::vector<ItemView> labelled;
  std::vector<View> plain;
  for (const ItemView& view : take_key(items_, key)) {
    if (!view.keys().empty()) {
      labelled.push_back(view);
    } else if (view.value().kind == NodeKind::kObject) {
      plain.emplace_back(items_of(view.value()));
    } else {
      plain.emplace_back(view.value());
    }
  }
  if (!labelled.empty()) plain.insert(plain.begin(), View(std::move(labelled)));
  return plain;
}

Result<void> ObjectReader::read(std::string_view key, std::string& out) {
  for (const View& view : matches(key)) {
    STEEPLE_TRY(value, to_text(path_of(key), view));
    out = std::move(value);
  }
  return {};
}

Result<void> ObjectReader::read(std::string_view key, std::int64_t& out) {
  for (const View& view : matches(key)) {
    STEEPLE_TRY(value, to_integer(path_of(key), view));
    out = value;
  }
  return {};
}

Result<void> ObjectReader::read(std::string_view key, bool& out) {
  for (const View& view : matches(key)) {
    STEEPLE_TRY(value, to_boolean(path_of(key), view, notes_));
    out = value;
  }
  return {};
}

Result<void> ObjectReader::read(std::string_view key, std::optional<std::string>& out) {
  for (const View& view : matches(key)) {
    STEEPLE_TRY(value, to_text(path_of(key), view));
    out = std::move(value);
  }
  return {};
}

Result<void> ObjectReader::read(std::string_view key, std::optional<std::int64_t>& out) {
  for (const View& view : matches(key)) {
    STEEPLE_TRY(value, to_integer(path_of(key), view));
    out = value;
  }
  return {};
}

Result<void> ObjectReader::read(std::string_view key, std::optional<bool>& out) {
  for (const View& view : matches(key)) {
    STEEPLE_TRY(value, to_boolean(path_of(key), view, notes_));
    out = value;
  }
  return {};
}

Result<void> ObjectReader::read(std::string_view key, std::vector<std::string>& out) {
  for (const View& view : matches(key)) STEEPLE_CHECK(append_texts(path_of(key), view, out));
  return {};
}

Result<bool> ObjectReader::read_block(std::string_view key, const Fill& fill) {
  const std::vector<View> found = matches(key);
  for (const View& view : found) {
    STEEPLE_TRY(reader, open(path_of(key), view, notes_));
    STEEPLE_CHECK(fill(reader));
  }
  return !found.empty();
}

Result<void> ObjectReader::read_blocks(std::string_view key, const Fill& fill) {
  for (const View& view : matches(key)) {
    STEEPLE_TRY(elements, block_elements(path_of(key), view));
    for (std::size_t i = 0; i < elements.size(); ++i) {
      STEEPLE_TRY(reader, open(fmt::format("{}[{}]", path_of(key), i), elements[i], notes_));
      STEEPLE_CHECK(fill(reader));
    }
  }
  return {};
}

Result<void> ObjectReader::read_members(std::string_view key, const TakeMember& take) {
  const std::string path = path_of(key);
  for (const View& view : matches(key)) {
    if (!view.items()) return wrong_type(path, view, "not an object type for map", "a block");
    std::vector<std::string> done;
    for (const ItemView& item : *view.items()) {
      if (item.keys().empty()) return error_at(view.position(), path + ": map must have string keys");
      const std::string& name = item.keys().front().value;
      if (std::find(done.begin(), done.end(), name) != done.end()) continue;
      if (item.keys().size() > 1) done.push_back(name);
      STEEPLE_CHECK(take({name, path + "." + name, member_value(*view.items(), item)}));
    }
  }
  return {};
}

Result<void> ObjectReader::read(const Member& member, std::vector<std::string>& out) {
  return append_texts(member.path, member.value, out);
}

std::optional<View> ObjectReader::read_raw(std::string_view key) {
  std::vector<View> found = matches(key);
  if (found.empty()) return std::nullopt;
  return std::move(found.front());
}

UnknownKeys ObjectReader::unknown_keys() const {
  UnknownKeys unknown;
  for (std::size_t i = 0; i < items_.size(); ++i) {
    const std::span<const Token> keys = items_[i].keys();
    if (keys.empty()) continue;
    const Token& key = keys.front();
    const auto same = [&key](const std::string& asked) { return same_key(asked, key.value); };
    if (std::any_of(asked_.begin(), asked_.end(), same)) continue;
    // SPIRE does not see a chained key unless its item comes first, nor a quoted one in HCL.
    const bool noticed = (key.json || key.kind == TokenKind::kIdentifier) && (i == 0 || keys.size() == 1);
    std::vector<std::string>& list = noticed ? unknown.fatal : unknown.unnoticed;
    if (std::find(list.begin(), list.end(), key.value) == list.end()) list.push_back(key.value);
  }
  return unknown;
}

}  // namespace steeple::agent::hcl
