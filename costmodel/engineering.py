"""One-time cost: masks shared by all chips, masks with the weights of one, design, and what new weights cost.

Masks are priced in DUV masks. With U units in a full set of price F, w units that carry weights, and s second exposures
among these, which the full set has not:

    shared = F (U + s - w) / U,   one variant = F w / U

Design cost has a law: the paper's effort for its chip at 5 nm x node factor x (die / paper's die)^exponent.
"""

from hnlpu.costmodel.sheet import rule

__all__ = ["INPUTS"]

_LAW = "scaling law assumed by this project on the paper's Table 5"

#: Inputs of these rules and their units.
INPUTS = {
    "mask_set_usd": "USD",
    "mask_units": "mask",
    "weight_mask_units": "mask",
    "second_exposure_units": "mask",
    "architecture_usd": "USD",
    "verification_usd": "USD",
    "physical_usd": "USD",
    "ip_usd": "USD",
    "design_node_factor": "1",
    "design_reference_mm2": "mm2",
    "design_size_exponent": "1",
    "respin_effort": "1",
}


@rule("USD")
def mask_shared_usd(mask_set_usd, mask_units, weight_mask_units, second_exposure_units):
    """Full set x (units + second exposures - units that carry weights) / units."""
    return mask_set_usd * (mask_units + second_exposure_units - weight_mask_units) / mask_units


@rule("USD/chip")
def mask_per_chip_usd(mask_set_usd, mask_units, weight_mask_units):
    """Full set x units that carry weights / units."""
    return mask_set_usd * weight_mask_units / mask_units


@rule("USD")
def mask_variants_usd(mask_per_chip_usd, chips):
    """Weight masks of every chip of a system."""
    return mask_per_chip_usd * chips


@rule("USD")
def mask_nre_usd(mask_shared_usd, mask_variants_usd):
    """Shared masks + weight masks of all chips."""
    return mask_shared_usd + mask_variants_usd


@rule("1", source=_LAW, tag="assumed")
def design_scale(design_node_factor, die_area_mm2, design_reference_mm2, design_size_exponent):
    """Node factor x (die area / the paper's)^exponent."""
    return design_node_factor * (die_area_mm2 / design_reference_mm2) ** design_size_exponent


@rule("USD")
def design_architecture_usd(architecture_usd, design_scale):
    """The paper's architecture cost x design scale."""
    return architecture_usd * design_scale


@rule("USD")
def design_verification_usd(verification_usd, design_scale):
    """The paper's verification cost x design scale."""
    return verification_usd * design_scale


@rule("USD")
def design_physical_usd(physical_usd, design_scale):
    """The paper's physical design cost x design scale."""
    return physical_usd * design_scale


@rule("USD")
def design_ip_usd(ip_usd, design_scale):
    """The paper's licences (PHYs, memories) x design scale."""
    return ip_usd * design_scale


@rule("USD")
def design_usd(
    design_architecture_usd, design_verification_usd, design_physical_usd, design_ip_usd
):
    """Architecture + verification + physical design + licences."""
    return design_architecture_usd + design_verification_usd + design_physical_usd + design_ip_usd


@rule("USD")
def nre_usd(design_usd, mask_nre_usd):
    """Design + masks."""
    return design_usd + mask_nre_usd


@rule("USD")
def respin_engineering_usd(design_physical_usd, design_verification_usd, respin_effort):
    """Share of physical design and verification that new weights take."""
    return (design_physical_usd + design_verification_usd) * respin_effort


@rule("USD")
def respin_usd(mask_variants_usd, respin_engineering_usd, chips_usd):
    """Weight masks + engineering + new chips for all systems."""
    return mask_variants_usd + respin_engineering_usd + chips_usd
