// Where the tokens stand, as --positions, --cu-seqlens and --padding say it.
#ifndef SIMDROPE_TOOLS_TOKEN_POSITIONS_H_
#define SIMDROPE_TOOLS_TOKEN_POSITIONS_H_

#include <cstdint>
#include <optional>
#include <simdrope/io.hpp>
#include <simdrope/simdrope.hpp>
#include <string>
#include <vector>

namespace simdrope::tool {

class TokenPositions {
 public:
  // `text`: START, BEGIN:END, or a .npy of ids: [seq], [batch, seq] or [axes, batch, seq], of i32, i64,
  // f32 or f64. `cu_seqlens`: a .npy [sequences + 1] of i32 or i64; "": none.
  static TokenPositions Parse(const std::string& text, const std::string& cu_seqlens = "", bool padding = false);

  static TokenPositions Of(const std::vector<int64_t>& ids);

  // What the library takes; borrows from this.
  simdrope::Positions view() const;

  // How many tokens a sequence has, as far as ids or BEGIN:END tell.
  std::optional<int64_t> length() const { return length_; }
  int64_t batch() const { return ids_batch_; }  // of the ids

 private:
  bool is_packed() const { return !boundaries_.shape.empty(); }

  int64_t start_ = 0;
  bool padding_ = false;
  bool has_ids_ = false;
  io::Array ids_;
  int64_t ids_axes_ = 1, ids_batch_ = 1;
  std::optional<int64_t> length_;
  io::Array boundaries_;
};

}  // namespace simdrope::tool

#endif  // SIMDROPE_TOOLS_TOKEN_POSITIONS_H_
