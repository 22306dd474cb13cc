// Strong integers: two numbers that can be swapped by mistake get two types. An id has no arithmetic; an ordinal
// (Offset, Jsn) has the little it needs.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace tidemill {

template <class Tag, class Number>
struct Id {
  Number value{};
  constexpr Id() = default;
  constexpr explicit Id(Number v) : value(v) {}
  constexpr auto operator<=>(const Id&) const = default;
};

template <class Tag, class Number>
struct Ordinal {
  Number value{};
  constexpr Ordinal() = default;
  constexpr explicit Ordinal(Number v) : value(v) {}
  constexpr auto operator<=>(const Ordinal&) const = default;
  constexpr Ordinal operator+(Number n) const { return Ordinal(value + n); }
  constexpr Ordinal operator-(Number n) const { return Ordinal(value - n); }
  constexpr Number operator-(Ordinal o) const { return value - o.value; }
  constexpr Ordinal& operator+=(Number n) { value += n; return *this; }
};

// A tenant; 0 is the system's own, 1 is `default`.
using TenantId = Id<struct TenantTag, std::uint32_t>;
inline constexpr TenantId system_tenant{0};
inline constexpr TenantId default_tenant{1};

// One append-only sequence of records: a topic's partition, or an internal stream. Never reused.
using StreamId = Id<struct StreamTag, std::uint64_t>;

// Position of a record in its stream, from 0.
using Offset = Ordinal<struct OffsetTag, std::int64_t>;

// Journal sequence number: position of a group in the journal, from 1; 0 means "before everything".
using Jsn = Ordinal<struct JsnTag, std::uint64_t>;

// Raised and made durable at every start, before the first append.
using Incarnation = Ordinal<struct IncarnationTag, std::uint64_t>;

using ProducerId = Id<struct ProducerTag, std::int64_t>;  // -1: not idempotent

}  // namespace tidemill

template <class Tag, class Number>
struct std::hash<tidemill::Id<Tag, Number>> {
  std::size_t operator()(tidemill::Id<Tag, Number> id) const noexcept {
    auto x = static_cast<std::uint64_t>(id.value) * 0x9E3779B97F4A7C15ull;
    return static_cast<std::size_t>(x ^ (x >> 32));
  }
};
