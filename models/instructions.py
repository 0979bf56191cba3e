"""Vector instructions that compiled loops have no words for, on x86 processors with AVX-512 VNNI.

numba writes loops over arrays in vector instructions by itself, but knows none that multiply small whole
numbers and sum them up, and keeps no tile of a product in registers. What is here is written in LLVM's own
language, and is called from compiled loops (not from Python). Addresses and steps are in bytes; nothing is
checked.

Instructions: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, VPDPBUSD and VPDPWSSD.
"""

import importlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from numba.extending import intrinsic

__all__ = [
    "LANES",
    "SIEVE_COLUMNS",
    "SIEVE_ROWS",
    "SIEVE_SHIFT",
    "as_bits",
    "as_number",
    "byte_tile",
    "can_multiply_bytes",
    "prefetch",
    "score_tile",
    "short_tile",
    "sieve",
    "soften",
    "value_tile",
]

LANES = 16  # numbers of 32 bits in a register
SIEVE_ROWS, SIEVE_COLUMNS = 4, 64
SIEVE_SHIFT = 11  # bits: so many columns can be told apart, and sums have the others

_BYTES = 4 * LANES
# None of these has types.
numba: Any = importlib.import_module("numba")
binding: Any = importlib.import_module("llvmlite.binding")
ir: Any = importlib.import_module("llvmlite.ir")
cgutils: Any = importlib.import_module("numba.core.cgutils")
types: Any = importlib.import_module("numba.types")

_VOID, _ADDRESS, _INT32, _FLOAT32 = types.void, types.intp, types.int32, types.float32
_I64, _I32, _F32 = ir.IntType(64), ir.IntType(32), ir.FloatType()
_WHOLE, _REAL = ir.VectorType(_I32, LANES), ir.VectorType(_F32, LANES)
_NEEDED = ("avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512vnni")
# exp2 on [-1/2, 1/2] as a polynomial, highest power first: its Taylor series, right to 3 millionths.
_EXP2 = (1.3333558e-3, 9.6181291e-3, 5.5504109e-2, 2.4022651e-1, 6.9314718e-1, 1.0)
_LOG2_E = 1.4426950408889634
_LEAST_POWER = -126  # of 2, that a number of 32 bits can have
_EXPONENT_ZERO, _EXPONENT_SHIFT = 127, 23  # how such a number keeps its power of 2
_LOWEST = -1e30
_TO_READ, _TO_KEEP, _OF_DATA = 0, 3, 1


_Step = Callable[[Any, list[Any]], list[Any]]


class _Kind(NamedTuple):
    """What a tile multiplies. pairs: how the instruction sees a register of them; summed: what it adds to."""

    instruction: str
    pairs: Any
    summed: Any
    sum_first: bool


_BYTE_PRODUCTS = _Kind(
    "llvm.x86.avx512.vpdpbusd.512", ir.VectorType(ir.IntType(8), 4 * LANES), _WHOLE, sum_first=True
)
_SHORT_PRODUCTS = _Kind(
    "llvm.x86.avx512.vpdpwssd.512", ir.VectorType(ir.IntType(16), 2 * LANES), _WHOLE, sum_first=True
)
_NUMBER_PRODUCTS = _Kind("llvm.fma.v16f32", _REAL, _REAL, sum_first=False)


def can_multiply_bytes() -> bool:
    """Whether this processor has the instructions, and numba compiles for just this one."""
    config = numba.config
    if config.DISABLE_JIT or config.CPU_NAME is not None or config.CPU_FEATURES is not None:
        return False
    features = binding.get_host_cpu_features()
    return all(features.get(name, False) for name in _NEEDED)


def _tile(kind: _Kind, rows: int, vectors: int) -> Any:
    """An intrinsic `tile(left, row_step, left_step, right, right_step, steps, out, out_step)`.

    out, (rows, vectors * LANES) numbers of 32 bits, rows out_step apart: sums over the steps of left, 4 bytes
    for each row, times right, 4 bytes for each column. 4 bytes are four numbers of 8 bits (those of left have
    no sign), two of 16, or one of 32.
    """
    signature = _VOID(*(_ADDRESS for _ in range(8)))

    def generate(context: Any, build: Any, _signature: Any, arguments: Sequence[Any]) -> Any:
        *factors, out, out_step = arguments
        sums = _products(build, kind, rows, vectors, factors)
        for row in range(rows):
            at = build.add(out, build.mul(out_step, _I64(row)))
            for vector in range(vectors):
                _store(build, sums[row * vectors + vector], build.add(at, _I64(_BYTES * vector)))
        return context.get_dummy_value()

    @intrinsic
    def tile(
        _typing: Any,
        _left: Any,
        _row_step: Any,
        _left_step: Any,
        _right: Any,
        _right_step: Any,
        _steps: Any,
        _out: Any,
        _out_step: Any,
    ) -> Any:
        return signature, generate

    return tile


def _products(build: Any, kind: _Kind, rows: int, vectors: int, factors: Sequence[Any]) -> list[Any]:
    """The registers of a tile, row by row. factors: its first six arguments."""
    left, row_step, left_step, right, right_step, steps = factors
    multiply = _function(build, kind.instruction, kind.summed, [kind.summed, kind.pairs, kind.pairs])
    starts = [build.add(left, build.mul(row_step, _I64(row))) for row in range(rows)]

    def step(number: Any, sums: list[Any]) -> list[Any]:
        at = build.add(right, build.mul(number, right_step))
        columns = [
            build.bitcast(_load(build, build.add(at, _I64(_BYTES * vector)), kind.summed), kind.pairs)
            for vector in range(vectors)
        ]
        found = []
        for row, start in enumerate(starts):
            address = build.add(start, build.mul(number, left_step))
            one = build.bitcast(_spread(build, _load(build, address, kind.summed.element)), kind.pairs)
            for vector, column in enumerate(columns):
                summed = sums[row * vectors + vector]
                order = [summed, one, column] if kind.sum_first else [one, column, summed]
                found.append(build.call(multiply, order))
        return found

    return _loop(build, steps, [ir.Constant(kind.summed, None)] * (rows * vectors), step)


def _loop(build: Any, steps: Any, start: Sequence[Any], step: _Step) -> list[Any]:
    """Values after so many steps, at least one; step: what the values of step n become."""
    before = build.block
    body, after = build.append_basic_block("step"), build.append_basic_block("after")
    build.branch(body)
    build.position_at_end(body)
    number = build.phi(_I64)
    number.add_incoming(_I64(0), before)
    values = []
    for value in start:
        values.append(build.phi(value.type))
        values[-1].add_incoming(value, before)
    changed = step(number, values)
    following = build.add(number, _I64(1))
    number.add_incoming(following, body)
    for value, new in zip(values, changed, strict=True):
        value.add_incoming(new, body)
    build.cbranch(build.icmp_signed("<", following, steps), body, after)
    build.position_at_end(after)
    return changed


def _function(build: Any, name: str, result: Any, arguments: Sequence[Any]) -> Any:
    return cgutils.get_or_insert_function(build.module, ir.FunctionType(result, arguments), name)


def _load(build: Any, address: Any, kind: Any) -> Any:
    loaded = build.load(build.inttoptr(address, kind.as_pointer()))
    loaded.align = 4  # not that of a register: a row of a text may begin anywhere
    return loaded


def _store(build: Any, value: Any, address: Any) -> None:
    build.store(value, build.inttoptr(address, value.type.as_pointer())).align = 4


def _spread(build: Any, number: Any) -> Any:
    """A register of the same number."""
    kind = ir.VectorType(number.type, LANES)
    nothing = ir.Constant(kind, ir.Undefined)
    first = build.insert_element(nothing, number, _I32(0))
    return build.shuffle_vector(first, nothing, ir.Constant(_WHOLE, None))


def _soften(_typing: Any, _column: Any, _step: Any, _length: Any, _inverses: Any) -> Any:
    """Softmax down LANES columns of numbers, without the division.

    `soften(column, step, length, inverses)`: length rows, step apart, become the exponential of their
    distance to the largest of their column; inverses, LANES numbers: 1 / sum of a column.
    """
    signature = _VOID(*(_ADDRESS for _ in range(4)))

    def generate(context: Any, build: Any, _signature: Any, arguments: Sequence[Any]) -> Any:
        column, step, length, inverses = arguments

        def row(number: Any) -> Any:
            return build.add(column, build.mul(number, step))

        def larger(left: Any, right: Any) -> Any:
            return build.select(build.fcmp_ordered(">", left, right), left, right)

        (top,) = _loop(
            build, length, [_reals(_LOWEST)], lambda n, most: [larger(_load(build, row(n), _REAL), most[0])]
        )

        def power(number: Any, sums: list[Any]) -> list[Any]:
            below = build.fsub(_load(build, row(number), _REAL), top)
            raised = _exp2(build, larger(build.fmul(below, _reals(_LOG2_E)), _reals(_LEAST_POWER)))
            _store(build, raised, row(number))
            return [build.fadd(sums[0], raised)]

        (total,) = _loop(build, length, [_reals(0.0)], power)
        _store(build, build.fdiv(_reals(1.0), total), inverses)
        return context.get_dummy_value()

    return signature, generate


def _exp2(build: Any, power: Any) -> Any:
    """2 to the power, a register of numbers from _LEAST_POWER to 0."""
    multiply_add = _function(build, _NUMBER_PRODUCTS.instruction, _REAL, [_REAL] * 3)
    # What is not above zero is cut off upwards: half less, it is rounded to the nearest.
    whole = build.fptosi(build.fsub(power, _reals(0.5)), _WHOLE)
    rest = build.fsub(power, build.sitofp(whole, _REAL))
    value = _reals(_EXP2[0])
    for factor in _EXP2[1:]:
        value = build.call(multiply_add, [value, rest, _reals(factor)])
    exponent = build.shl(build.add(whole, _wholes(_EXPONENT_ZERO)), _wholes(_EXPONENT_SHIFT))
    return build.fmul(value, build.bitcast(exponent, _REAL))


def _reals(value: float) -> Any:
    return ir.Constant(_REAL, [ir.Constant(_F32, value)] * LANES)


def _wholes(value: int) -> Any:
    return ir.Constant(_WHOLE, [_I32(value)] * LANES)


def _sieve(
    _typing: Any,
    _left: Any,
    _row_step: Any,
    _right: Any,
    _steps: Any,
    _zeros: Any,
    _bars: Any,
    _first: Any,
    _out: Any,
    _out_step: Any,
    _counts: Any,
) -> Any:
    """A tile of bytes of which only what reaches a bar is written.

    `sieve(left, row_step, right, steps, zeros, bars, first, out, out_step, counts)`: SIEVE_ROWS rows by
    SIEVE_COLUMNS columns, as a `byte_tile`. zeros: what is taken from the sums of a column; bars: what those
    of a row must reach. What does goes to out as sum << SIEVE_SHIFT | first + column, behind the counts
    (numbers of 64 bits) of a row that are there; a register may be written beyond what counts.
    """
    signature = _VOID(*(_ADDRESS for _ in range(10)))

    def generate(context: Any, build: Any, _signature: Any, arguments: Sequence[Any]) -> Any:
        left, row_step, right, steps, zeros, bars, first, out, out_step, counts = arguments
        vectors = SIEVE_COLUMNS // LANES
        factors = [left, row_step, _I64(4), right, _I64(4 * SIEVE_COLUMNS), steps]
        found = _products(build, _BYTE_PRODUCTS, SIEVE_ROWS, vectors, factors)
        mask = ir.VectorType(ir.IntType(1), LANES)
        chosen = _function(build, "llvm.experimental.vector.compress.v16i32", _WHOLE, [_WHOLE, mask, _WHOLE])
        counted = _function(build, "llvm.ctpop.i16", ir.IntType(16), [ir.IntType(16)])
        start = _spread(build, build.trunc(first, _I32))
        own = [
            build.add(start, ir.Constant(_WHOLE, [_I32(LANES * vector + lane) for lane in range(LANES)]))
            for vector in range(vectors)
        ]
        at_zero = [_load(build, build.add(zeros, _I64(_BYTES * vector)), _WHOLE) for vector in range(vectors)]
        for row in range(SIEVE_ROWS):
            bar = _spread(build, _load(build, build.add(bars, _I64(4 * row)), _I32))
            behind = build.mul(out_step, _I64(row))
            count_at = build.add(counts, _I64(8 * row))
            count = _load(build, count_at, _I64)
            for vector in range(vectors):
                value = build.sub(found[row * vectors + vector], at_zero[vector])
                reaches = build.icmp_signed(">=", value, bar)
                both = build.or_(build.shl(value, _wholes(SIEVE_SHIFT)), own[vector])
                packed = build.call(chosen, [both, reaches, ir.Constant(_WHOLE, ir.Undefined)])
                at = build.add(behind, build.mul(count, _I64(4)))
                _store(build, packed, build.add(out, at))
                many = build.call(counted, [build.bitcast(reaches, ir.IntType(16))])
                count = build.add(count, build.zext(many, _I64))
            _store(build, count, count_at)
        return context.get_dummy_value()

    return signature, generate


def _prefetch(_typing: Any, _address: Any) -> Any:
    """Ask memory for the line at an address that is soon to be read: any processor has that."""

    def generate(context: Any, build: Any, _signature: Any, arguments: Sequence[Any]) -> Any:
        pointer = build.inttoptr(arguments[0], ir.IntType(8).as_pointer())
        ask = _function(build, "llvm.prefetch.p0", ir.VoidType(), [pointer.type, _I32, _I32, _I32])
        build.call(ask, [pointer, _I32(_TO_READ), _I32(_TO_KEEP), _I32(_OF_DATA)])
        return context.get_dummy_value()

    return _VOID(_ADDRESS), generate


def _as_bits(_typing: Any, _number: Any) -> Any:
    """The bits of a 32-bit number, as a whole one: the larger, the larger, from zero on."""

    def generate(_context: Any, build: Any, _signature: Any, arguments: Sequence[Any]) -> Any:
        return build.bitcast(arguments[0], _I32)

    return _INT32(_FLOAT32), generate


def _as_number(_typing: Any, _bits: Any) -> Any:
    """The other way round."""

    def generate(_context: Any, build: Any, _signature: Any, arguments: Sequence[Any]) -> Any:
        return build.bitcast(arguments[0], _F32)

    return _FLOAT32(_INT32), generate


soften: Any = intrinsic(_soften)
sieve: Any = intrinsic(_sieve)
as_bits: Any = intrinsic(_as_bits)
as_number: Any = intrinsic(_as_number)
# Without a compiler loops run as they stand, and there is nothing to ask.
prefetch: Any = (lambda _address: None) if numba.config.DISABLE_JIT else intrinsic(_prefetch)
byte_tile = _tile(_BYTE_PRODUCTS, 4, 4)
short_tile = _tile(_SHORT_PRODUCTS, 4, 4)
score_tile = _tile(_NUMBER_PRODUCTS, 8, 1)
value_tile = _tile(_NUMBER_PRODUCTS, 4, 2)
