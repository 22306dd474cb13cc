#include "serve/ksql/push_rows.h"

namespace tidemill::serve::ksql {

flow::PushSink PushRows::sink() {
  auto self = shared_from_this();
  flow::PushSink sink;
  sink.rows = [self](std::vector<flow::ResultRow> rows) { return self->add(std::move(rows)); };
  sink.end = [self](Result<void> result) { self->finish(std::move(result)); };
  return sink;
}

// With the lock held. One notification on its way is enough.
void PushRows::wake() {
  if (woken_) return;
  woken_ = true;
  loop_.post([self = shared_from_this()] { self->changed_.notify(); });
}

flow::Wanted PushRows::add(std::vector<flow::ResultRow> rows) {
  std::lock_guard hold(mutex_);
  if (cancelled_ || end_) return flow::Wanted::none;
  for (auto& row : rows) {
    if (left_ && *left_ == 0) break;
    if (left_) --*left_;
    writer_.append(bytes_, row);
  }
  if (left_ && *left_ == 0) end_ = Result<void>();
  wake();
  full_ = bytes_.size() > push_bytes_max;
  return end_ ? flow::Wanted::none : full_ ? flow::Wanted::after_resume : flow::Wanted::more;
}

void PushRows::finish(Result<void> result) {
  std::lock_guard hold(mutex_);
  if (!end_) end_ = std::move(result);
  wake();
}

void PushRows::cancel() {
  std::lock_guard hold(mutex_);
  cancelled_ = true;
  if (!end_) end_ = Result<void>();
  wake();
}

PushRows::Taken PushRows::take() {
  std::lock_guard hold(mutex_);
  woken_ = false;
  Taken taken;
  taken.bytes.swap(bytes_);
  taken.end = end_;
  taken.limit_reached = left_ && *left_ == 0;
  if (std::exchange(full_, false) && resume_) resume_();  // posts to the query's shard
  return taken;
}

}  // namespace tidemill::serve::ksql
