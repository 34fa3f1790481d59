"""Wafers: dies on one, how many are good, and what the chips of all systems cost.

Every chip of a system carries other weights, so its dies come from wafers of their own: a variant's wafers are
counted by themselves and rounded up. Three yield laws; ``YIELD_MODELS`` names them.
"""

from numpy import ceil, exp, expm1, maximum, minimum, sqrt, where

from hnlpu.costmodel.sheet import Rule, rule

__all__ = ["INPUTS", "PI", "YIELD_MODELS"]

#: Inputs of these rules and their units.
INPUTS = {
    "wafer_diameter": "mm",
    "wafer_edge": "mm",
    "pi": "1",
    "defect_density": "1/cm2",
    "repair_coverage": "1",
    "systems": "system",
    "spare_systems_share": "1",
    "min_wafers_per_variant": "wafer",
    "wafer_price": "USD/wafer",
    "package_usd_per_wafer": "USD/wafer",
    "package_usd_floor": "USD/chip",
    "hbm_stacks": "1/chip",
    "hbm_stack_bytes": "GB",
    "hbm_price": "USD/GB",
    "integration_usd_per_chip": "USD/chip",
}

#: The ratio of a circle's circumference to its diameter: an input, for a formula holds names only.
PI = 3.141592653589793


@rule("chip/wafer", source="die-per-wafer approximation, HNLPU paper, App. B note 3")
def dies_per_wafer(wafer_diameter, wafer_edge, die_area_mm2, pi):
    """pi (d/2)^2 / A - pi d / sqrt(2 A), d without the edge that is excluded; at least a thousandth."""
    across = wafer_diameter - 2 * wafer_edge
    dies = pi * across**2 / (4 * die_area_mm2) - pi * across / sqrt(2 * die_area_mm2)
    return maximum(dies, 0.001)


@rule("mm2")
def defect_area_mm2(die_area_mm2, hn_area_mm2, chips, spare_neurons, repair_coverage):
    """Die area, less the share of the arrays that spare neurons repair."""
    repaired = where(spare_neurons > 0, repair_coverage, 0)
    return die_area_mm2 - repaired * hn_area_mm2 / chips


@rule("1", name="die_yield", source="Murphy (1964), triangular distribution of defect densities")
def murphy(defect_area_mm2, defect_density):
    """((1 - exp(-A D)) / (A D))^2."""
    defects = maximum(defect_area_mm2 * defect_density, 1e-9)
    return (-expm1(-defects) / defects) ** 2


@rule("1", name="die_yield", source="Poisson: defects fall independently")
def poisson(defect_area_mm2, defect_density):
    """exp(-A D)."""
    return exp(-defect_area_mm2 * defect_density)


@rule("1", name="die_yield", source="negative binomial with clustering 3 (Stapper, 1973)")
def negative_binomial(defect_area_mm2, defect_density):
    """(1 + A D / 3)^-3."""
    return (1 + defect_area_mm2 * defect_density / 3) ** -3


#: Yield laws by name.
YIELD_MODELS: dict[str, Rule] = {
    "murphy": murphy,
    "poisson": poisson,
    "negative-binomial": negative_binomial,
}


@rule("chip/wafer")
def good_dies_per_wafer(dies_per_wafer, die_yield):
    """Dies x yield, not rounded: lots average."""
    return dies_per_wafer * die_yield


@rule("system")
def built_systems(systems, spare_systems_share):
    """Systems and their spares, rounded up."""
    return ceil(systems * (1 + spare_systems_share) - 1e-9)


@rule("wafer")
def wafers(built_systems, good_dies_per_wafer, min_wafers_per_variant, chips):
    """Per variant: systems built / good dies of a wafer, rounded up, at least the smallest lot; x variants."""
    per_variant = maximum(ceil(built_systems / good_dies_per_wafer), ceil(min_wafers_per_variant))
    return per_variant * chips


@rule("USD")
def wafers_usd(wafers, wafer_price):
    """Wafers x price."""
    return wafers * wafer_price


@rule("USD/chip")
def package_usd_per_chip(package_usd_per_wafer, good_dies_per_wafer, package_usd_floor):
    """Package and test of a wafer / its good dies, at least the price of a small package."""
    return maximum(package_usd_per_wafer / good_dies_per_wafer, package_usd_floor)


@rule("USD/chip")
def hbm_usd_per_chip(hbm_stacks, hbm_stack_bytes, hbm_price, hbm_needed):
    """Stacks x bytes x price, where there is HBM."""
    return hbm_stacks * hbm_stack_bytes * hbm_price * hbm_needed


@rule("USD/chip")
def integration_usd_on_chip(integration_usd_per_chip, die_area_mm2, reticle):
    """Board, power and cooling of a chip of the paper's size x this die / the reticle."""
    return integration_usd_per_chip * minimum(die_area_mm2 / reticle, 1)


@rule("USD")
def chips_usd(
    wafers_usd, built_systems, chips, package_usd_per_chip, hbm_usd_per_chip,
    integration_usd_on_chip,
):  # fmt: skip
    """Wafers + systems built x chips x (package, HBM, integration)."""
    each = package_usd_per_chip + hbm_usd_per_chip + integration_usd_on_chip
    return wafers_usd + built_systems * chips * each


@rule("USD/system")
def marginal_system_usd(
    chips, wafer_price, good_dies_per_wafer, package_usd_per_chip, hbm_usd_per_chip,
    integration_usd_on_chip, spare_systems_share,
):  # fmt: skip
    """One more system and its share of spares, with wafers not rounded."""
    each = package_usd_per_chip + hbm_usd_per_chip + integration_usd_on_chip
    return chips * (wafer_price / good_dies_per_wafer + each) * (1 + spare_systems_share)
