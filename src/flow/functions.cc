#include "flow/functions.h"

#include <unordered_map>

#include "base/check.h"
#include "flow/expression_node.h"

namespace tidemill::flow {
namespace {

class CallNode : public ExpressionNode {
 public:
  CallNode(const sql::Expr& expr, const ScalarFunction& function, std::vector<NodePtr> args)
      : ExpressionNode(expr.type), function_(function), args_(std::move(args)) {
    for (auto& arg : expr.args) types_.push_back(arg->type);
    values_.resize(args_.size());
    operands_.resize(args_.size());
  }
  Operand evaluate(Evaluation& in, Rows rows) override {
    for (std::size_t i = 0; i < args_.size(); ++i) operands_[i] = evaluate_apart(*args_[i], in, rows);
    begin(in);
    Call call{values_, types_, out_.type};
    for (auto row : rows) {
      bool any_null = false;
      for (std::size_t i = 0; i < args_.size(); ++i) {
        values_[i] = operands_[i].column->value(operands_[i].at(row));
        any_null |= values_[i].null();
      }
      if (any_null && function_.null_for_null) { set_null(row); continue; }
      auto out = function_.run(call);
      if (out) { put(row, *out, in.arena); continue; }
      set_null(row);
      in.fail(row, std::string(function_.name) + ": " + out.error().message);
    }
    return result(in);
  }

 private:
  const ScalarFunction& function_;
  std::vector<NodePtr> args_;
  std::vector<record::Type> types_;
  std::vector<record::Value> values_;
  std::vector<Operand> operands_;
};

// || and + on text: NULL on either side is NULL.
Result<record::Value> join(const Call& call) {
  std::string out;
  for (auto& arg : call.args) out += std::get<std::string>(arg.data);
  if (out.size() > 4u << 20) return fail(Code::too_large, "the text would be longer than 4 MiB");
  return record::Value(std::move(out));
}
constexpr ScalarFunction concatenation{"||", join};

}  // namespace

const ScalarFunction* find_function(std::string_view name) {
  static const auto table = [] {
    std::unordered_map<std::string_view, const ScalarFunction*> all;
    for (auto family : {numeric_functions(), string_functions(), general_functions()})
      for (auto& function : family) CHECK(all.emplace(function.name, &function).second, "{} twice", function.name);
    return all;
  }();
  auto found = table.find(name);
  return found == table.end() ? nullptr : found->second;
}

NodePtr make_call(const sql::Expr& expr, std::vector<NodePtr> args) {
  auto* function = expr.op == sql::ExprOp::call ? find_function(expr.function) : &concatenation;
  CHECK(function, "function {} has no implementation", expr.function);  // spec/functions.toml and the tables here must agree
  return std::make_unique<CallNode>(expr, *function, std::move(args));
}

}  // namespace tidemill::flow
