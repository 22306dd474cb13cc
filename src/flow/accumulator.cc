#include "flow/accumulator.h"

#include <bit>

#include "flow/value_text.h"

namespace tidemill::flow {

using record::Column;
using record::Kind;
using record::Lane;
using sql::AggregateKind;

AggregateRule::AggregateRule(const sql::Aggregate& aggregate)
    : kind_(aggregate.kind), type_(aggregate.type), input_(aggregate.argument ? aggregate.argument->type : record::Type(Kind::bigint)) {}

Result<void> AggregateRule::apply(Accumulator& to, const Operand& argument, std::uint32_t row, bool undo) const {
  if (kind_ == AggregateKind::count_star) {
    to.count += undo ? -1 : 1;
    return {};
  }
  if (argument.null(row)) return {};
  to.count += undo ? -1 : 1;
  switch (kind_) {
    case AggregateKind::sum:
    case AggregateKind::avg: return add(to, *argument.column, argument.at(row), undo);
    case AggregateKind::min:
    case AggregateKind::max: take_extreme(to, *argument.column, argument.at(row)); return {};
    default: return {};
  }
}

Result<void> AggregateRule::add(Accumulator& to, const Column& column, std::uint32_t at, bool undo) const {
  if (column.lane == Lane::real) {
    to.real += undo ? -column.real[at] : column.real[at];
  } else if (column.lane == Lane::decimal) {
    to.number += undo ? -column.decimal[at] : column.decimal[at];
    auto precision = kind_ == AggregateKind::sum ? type_.precision() : 38;
    if (!fits(to.number, precision)) return fail(Code::out_of_range, "SUM does not fit " + type_.text(), "cast the argument to a wider DECIMAL");
  } else {  // wraps as its type does
    auto v = static_cast<std::uint64_t>(column.whole[at]);
    auto sum = static_cast<std::uint64_t>(static_cast<std::int64_t>(to.number)) + (undo ? 0 - v : v);
    to.number = input_.kind() == Kind::integer ? std::int64_t{static_cast<std::int32_t>(sum)} : static_cast<std::int64_t>(sum);
  }
  return {};
}

void AggregateRule::take_extreme(Accumulator& to, const Column& column, std::uint32_t at) const {
  bool first = to.count == 1, low = kind_ == AggregateKind::min;
  auto better = [&](const auto& fresh, const auto& held) { return first || (low ? fresh < held : held < fresh); };
  if (column.lane == Lane::real) {
    if (better(column.real[at], to.real)) to.real = column.real[at];
  } else if (column.lane == Lane::text) {
    if (better(column.text[at], std::string_view(to.text))) to.text = column.text[at];
  } else {
    auto v = column.lane == Lane::decimal ? column.decimal[at] : column.whole[at];
    if (better(v, to.number)) to.number = v;
  }
}

void AggregateRule::append_result(const Accumulator& from, Column& out, record::Arena& arena) const {
  switch (kind_) {
    case AggregateKind::count_star:
    case AggregateKind::count: return out.append_whole(from.count);
    case AggregateKind::avg: {
      if (from.count == 0) return out.append_real(0);
      double sum = from.real;
      if (input_.kind() == Kind::decimal) sum = parse_double(record::decimal_text({from.number}, input_.scale())).value_or(0);
      else if (input_.kind() != Kind::double_) sum = static_cast<double>(static_cast<std::int64_t>(from.number));
      return out.append_real(sum / static_cast<double>(from.count));
    }
    case AggregateKind::min:
    case AggregateKind::max:
      if (from.count == 0) return out.append_null();
      break;
    case AggregateKind::sum: break;
  }
  switch (out.lane) {
    case Lane::real: return out.append_real(from.real);
    case Lane::text: return out.append_text(arena.keep(from.text));
    case Lane::decimal: return out.append_decimal(rescale(from.number, input_.scale(), type_.scale(), Excess::half_up).value_or(from.number));
    default: return out.append_whole(static_cast<std::int64_t>(from.number));
  }
}

void AggregateRule::write(const Accumulator& a, ByteWriter& out) const {
  out.le(a.count);
  out.le(static_cast<std::uint64_t>(a.number));
  out.le(static_cast<std::uint64_t>(a.number >> 64));
  out.le(std::bit_cast<std::uint64_t>(a.real));
  out.le(static_cast<std::uint32_t>(a.text.size()));
  out.text(a.text);
}

void AggregateRule::read(Accumulator& a, ByteReader& in) const {
  a.count = in.le<std::int64_t>();
  auto low = in.le<std::uint64_t>(), high = in.le<std::uint64_t>();
  a.number = static_cast<__int128>(static_cast<unsigned __int128>(high) << 64 | low);
  a.real = std::bit_cast<double>(in.le<std::uint64_t>());
  a.text = in.text(in.le<std::uint32_t>());
}

}  // namespace tidemill::flow
