// Where something is wrong, and what. Internal to chapter 06.
//
// A place knows the one above it, and its JSON pointer is only spelled when somebody asks: nearly
// all places are right. It also carries the section of the specification that speaks of it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "tenon/oci_config.hpp"

namespace tenon::oci {

// A value in the document. It refers to the place above, which must be a variable that lives on.
class Place {
  public:
    // @param pointer  where the document or the part of it that is judged begins
    Place(std::string_view pointer, const char* section) : key_(pointer), section_(section) {}
    // @param section  null: the one of the place above
    Place(const Place& above, std::string_view key, const char* section = nullptr)
        : above_(&above), key_(key), section_(section != nullptr ? section : above.section_) {}
    Place(const Place& above, std::size_t index)
        : above_(&above), index_(index), is_index_(true), section_(above.section_) {}
    Place(const Place&& above, std::string_view key, const char* section = nullptr) = delete;
    Place(const Place&& above, std::size_t index) = delete;
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    ~Place() = default;

    // RFC 6901
    [[nodiscard]] std::string pointer() const;
    [[nodiscard]] const char* section() const { return section_; }

  private:
    const Place* above_ = nullptr;
    std::string_view key_;
    std::size_t index_ = 0;
    bool is_index_ = false;
    const char* section_;
};

// One step of a JSON pointer: `/` and the key, with ~ and / escaped.
std::string pointer_step(std::string_view key);

// All that is wrong, in the order in which it was found. Who sends a million mistakes is told of
// the first ones.
class Findings {
  public:
    static constexpr std::size_t most = 1000;
    static constexpr std::size_t longest_pointer = 1024;

    [[nodiscard]] bool full() const { return violations_.size() > most; }
    // A key may be as long as the file.
    static std::string shortened(std::string pointer);
    void add(const Place& place, std::string message);
    void add(Violation violation);
    [[nodiscard]] std::vector<Violation> take() { return std::move(violations_); }

  private:
    std::vector<Violation> violations_;
};

// A text of the document in a message: quoted, without control characters, not at full length.
std::string shown(std::string_view text);

}  // namespace tenon::oci
