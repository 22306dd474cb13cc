#include "connect/postgres/decimal.h"

#include <algorithm>
#include <vector>

namespace tidemill::connect::postgres {
namespace {

// A number of any size, least significant byte first, grown digit by digit. Quadratic, fine for numerics of some hundred digits.
class Magnitude {
 public:
  void push_digit(unsigned digit) {
    if (!large_ && small_ < (~std::uint64_t{0} - 9) / 10) {
      small_ = small_ * 10 + digit;
      return;
    }
    spill();
    unsigned carry = digit;
    for (auto& byte : bytes_) {
      carry += byte * 10u;
      byte = static_cast<std::uint8_t>(carry);
      carry >>= 8;
    }
    if (carry != 0) bytes_.push_back(static_cast<std::uint8_t>(carry));
  }

  std::string two_complement(bool negative) {
    spill();
    while (!bytes_.empty() && bytes_.back() == 0) bytes_.pop_back();
    bytes_.push_back(0);  // the sign
    if (negative) negate();
    while (bytes_.size() > 1 && redundant(bytes_[bytes_.size() - 1], bytes_[bytes_.size() - 2])) bytes_.pop_back();
    return {bytes_.rbegin(), bytes_.rend()};
  }

 private:
  void spill() {
    if (large_) return;
    large_ = true;
    for (auto rest = small_; rest != 0; rest >>= 8) bytes_.push_back(static_cast<std::uint8_t>(rest));
  }
  void negate() {
    unsigned carry = 1;
    for (auto& byte : bytes_) {
      carry += static_cast<std::uint8_t>(~byte);
      byte = static_cast<std::uint8_t>(carry);
      carry >>= 8;
    }
  }
  // The top byte says nothing that the sign bit of the next one does not say.
  static bool redundant(std::uint8_t top, std::uint8_t next) { return top == (next & 0x80 ? 0xFF : 0x00); }

  bool large_ = false;
  std::uint64_t small_ = 0;
  std::vector<std::uint8_t> bytes_;
};

bool all_digits(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

void push_all(Magnitude& number, std::string_view digits) {
  for (char c : digits) number.push_digit(static_cast<unsigned>(c - '0'));
}

}  // namespace

int scale_of(std::string_view text) {
  auto point = text.find('.');
  return point == std::string_view::npos ? 0 : static_cast<int>(text.size() - point - 1);
}

std::optional<std::string> unscaled_bytes(std::string_view text, int scale) {
  bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  auto point = std::min(text.find('.'), text.size());
  auto whole = text.substr(0, point);
  auto fraction = point < text.size() ? text.substr(point + 1) : std::string_view();
  if ((whole.empty() && fraction.empty()) || !all_digits(whole) || !all_digits(fraction)) return std::nullopt;
  if (scale < 0) {
    whole.remove_suffix(std::min(whole.size(), static_cast<std::size_t>(-scale)));
    fraction = {};
  }
  auto wanted = static_cast<std::size_t>(std::max(scale, 0));
  Magnitude number;
  push_all(number, whole);
  push_all(number, fraction.substr(0, wanted));
  for (auto have = fraction.size(); have < wanted; ++have) number.push_digit(0);
  return number.two_complement(negative);
}

}  // namespace tidemill::connect::postgres
