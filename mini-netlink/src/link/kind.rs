//! The kinds of links that software makes, and the settings that each kind has of its own. Pure.
//!
//! A new link is made of [`LinkSettings`](super::LinkSettings), which every link has, and of a [`LinkKind`]: a structure such as
//! [`Vlan`], a name alone such as `&"dummy"`, or a [`Custom`] one with bytes of the caller's. What is not set is left to the
//! kernel. What the kernel tells of a link comes back as a [`Kind`].
//!
//! ```
//! use mini_netlink::kind::{Kind, Vlan};
//! use mini_netlink::wire::{Messages, encode};
//! use mini_netlink::{Link, LinkName, LinkSettings, NewLink};
//!
//! let vlan = Vlan::new(7);
//! let settings = LinkSettings { parent: Some(3), ..LinkSettings::named(LinkName::try_from("vlan7")?) };
//! let mut buffer = [0; 256];
//! let length = encode(&NewLink { kind: &vlan, index: None, settings }, 1, &mut buffer).expect("it fits");
//!
//! // The kernel tells of a link in the same form, in a message of the same kind.
//! let message = Messages::new(&buffer[..length]).next().expect("there is one").expect("it is whole");
//! let link = Link::read(&message).expect("no wrong length").expect("it is about a link");
//! assert_eq!(link.kind, Some(Kind::Vlan(vlan)));
//! assert_eq!(link.parent, Some(3));
//! # Ok::<(), mini_netlink::BadName>(())
//! ```
//!
//! Fields have the names that ip-link(8) gives them. Source: `include/uapi/linux/if_link.h`. Times in "hundredths of a second" are the kernel's `USER_HZ` ticks.

use core::ffi::CStr;
use core::net::IpAddr;

use crate::name::Name;
use crate::value::{
    BigNumber, BigShort, Byte, Ip, LongSwitch, Mac, Number, Ports, Present, Short, Signed, Switch, Wide, data, numbers,
};
pub use crate::value::{Flags, Targets};
use crate::wire::{Attributes, Malformed, Writer};

// Attributes in `IFLA_LINKINFO`.
const NAME: u16 = 1;
const DATA: u16 = 2;

/// What a new link is to be: the kernel's name of the kind, and the settings that this kind has.
pub trait LinkKind {
    /// The kernel's name for it: `bridge`, for example.
    fn name(&self) -> &[u8];

    /// Whether there are settings to write.
    fn has_data(&self) -> bool {
        false
    }

    /// Writes the settings: the attributes of `IFLA_INFO_DATA`.
    fn write_data(&self, _: &mut Writer<'_>) {}
}

/// A kind by name alone, without settings: `dummy`, `ifb`, `nlmon`, `wireguard`, `bridge` as the kernel likes it, and so on.
impl LinkKind for &str {
    fn name(&self) -> &[u8] {
        self.as_bytes()
    }
}

/// The same.
impl LinkKind for &CStr {
    fn name(&self) -> &[u8] {
        self.to_bytes()
    }
}

/// A kind that this crate knows nothing of, with its settings as the kernel wants them.
#[derive(Clone, Copy, Debug)]
pub struct Custom<'a> {
    /// The kernel's name for it.
    pub name: &'a str,
    /// The attributes in `IFLA_INFO_DATA`, each padded to a multiple of four bytes.
    pub data: &'a [u8],
}

impl LinkKind for Custom<'_> {
    fn name(&self) -> &[u8] {
        self.name.as_bytes()
    }

    fn has_data(&self) -> bool {
        !self.data.is_empty()
    }

    fn write_data(&self, writer: &mut Writer<'_>) {
        writer.put(self.data);
    }
}

/// Writes the contents of `IFLA_LINKINFO`.
pub(super) fn write(kind: &dyn LinkKind, writer: &mut Writer<'_>) {
    writer.attribute(NAME, kind.name());
    if kind.has_data() {
        let data = writer.open(DATA);
        kind.write_data(writer);
        writer.close(data);
    }
}

data! {
    /// A switch for Ethernet in the kernel. `bridge`
    Bridge {
        /// How long a port listens, then learns, before it forwards; in hundredths of a second, 200 to 3000 with STP.
        /// `IFLA_BR_FORWARD_DELAY`
        forward_delay: u32 = Number[1];
        /// Between two of the root's hellos, in hundredths of a second, 100 to 1000. `IFLA_BR_HELLO_TIME`
        hello_time: u32 = Number[2];
        /// When another bridge that is silent counts as gone, in hundredths of a second, 600 to 4000. `IFLA_BR_MAX_AGE`
        max_age: u32 = Number[3];
        /// When a learnt hardware address is forgotten, in hundredths of a second. `IFLA_BR_AGEING_TIME`
        ageing_time: u32 = Number[4];
        /// Whether bridges agree on a tree without loops. `IFLA_BR_STP_STATE`
        stp_state: bool = LongSwitch[5];
        /// The lower, the sooner this bridge becomes the root. `IFLA_BR_PRIORITY`
        priority: u16 = Short[6];
        /// Whether ports only pass the VLANs that they are members of. `IFLA_BR_VLAN_FILTERING`
        vlan_filtering: bool = Switch[7];
        /// Which tags count. `IFLA_BR_VLAN_PROTOCOL`
        vlan_protocol: VlanProtocol = VlanProtocol[8];
        /// A bit for each address 01:80:c2:00:00:0X whose frames are forwarded against the standard. `IFLA_BR_GROUP_FWD_MASK`
        group_fwd_mask: u16 = Short[9];
        /// Where STP sends to. `IFLA_BR_GROUP_ADDR`
        group_addr: [u8; 6] = Mac[20];
        /// Which ports lead to multicast routers: 0 none, 1 those that queries came from, 2 all. `IFLA_BR_MCAST_ROUTER`
        mcast_router: u8 = Byte[22];
        /// Whether multicast goes only where somebody listens. `IFLA_BR_MCAST_SNOOPING`
        mcast_snooping: bool = Switch[23];
        /// Whether queries are sent from the bridge's own address. `IFLA_BR_MCAST_QUERY_USE_IFADDR`
        mcast_query_use_ifaddr: bool = Switch[24];
        /// Whether the bridge asks who listens. `IFLA_BR_MCAST_QUERIER`
        mcast_querier: bool = Switch[25];
        /// How many multicast groups are remembered. `IFLA_BR_MCAST_HASH_MAX`
        mcast_hash_max: u32 = Number[27];
        /// How many queries without an answer end a group. `IFLA_BR_MCAST_LAST_MEMBER_CNT`
        mcast_last_member_cnt: u32 = Number[28];
        /// How many queries are sent at the start. `IFLA_BR_MCAST_STARTUP_QUERY_CNT`
        mcast_startup_query_cnt: u32 = Number[29];
        /// Between queries after somebody left, in hundredths of a second. `IFLA_BR_MCAST_LAST_MEMBER_INTVL`
        mcast_last_member_intvl: u64 = Wide[30];
        /// When a silent member is forgotten, in hundredths of a second. `IFLA_BR_MCAST_MEMBERSHIP_INTVL`
        mcast_membership_intvl: u64 = Wide[31];
        /// When another querier that is silent counts as gone, in hundredths of a second. `IFLA_BR_MCAST_QUERIER_INTVL`
        mcast_querier_intvl: u64 = Wide[32];
        /// Between queries, in hundredths of a second. `IFLA_BR_MCAST_QUERY_INTVL`
        mcast_query_intvl: u64 = Wide[33];
        /// How long members may take to answer, in hundredths of a second. `IFLA_BR_MCAST_QUERY_RESPONSE_INTVL`
        mcast_query_response_intvl: u64 = Wide[34];
        /// Between queries at the start, in hundredths of a second. `IFLA_BR_MCAST_STARTUP_QUERY_INTVL`
        mcast_startup_query_intvl: u64 = Wide[35];
        /// Whether bridged IPv4 passes iptables. `IFLA_BR_NF_CALL_IPTABLES`
        nf_call_iptables: bool = Switch[36];
        /// Whether bridged IPv6 passes ip6tables. `IFLA_BR_NF_CALL_IP6TABLES`
        nf_call_ip6tables: bool = Switch[37];
        /// Whether bridged ARP passes arptables. `IFLA_BR_NF_CALL_ARPTABLES`
        nf_call_arptables: bool = Switch[38];
        /// The VLAN of frames without a tag at a new port; 0 for none. `IFLA_BR_VLAN_DEFAULT_PVID`
        vlan_default_pvid: u16 = Short[39];
        /// Whether frames are counted for each VLAN. `IFLA_BR_VLAN_STATS_ENABLED`
        vlan_stats_enabled: bool = Switch[41];
        /// Whether multicast is counted. `IFLA_BR_MCAST_STATS_ENABLED`
        mcast_stats_enabled: bool = Switch[42];
        /// 2 or 3. `IFLA_BR_MCAST_IGMP_VERSION`
        mcast_igmp_version: u8 = Byte[43];
        /// 1 or 2. `IFLA_BR_MCAST_MLD_VERSION`
        mcast_mld_version: u8 = Byte[44];
        /// Whether VLANs are counted for each port; only while the bridge has no ports. `IFLA_BR_VLAN_STATS_PER_PORT`
        vlan_stats_per_port: bool = Switch[45];
    }
}

numbers! {
    /// Which tag a VLAN's frames carry. `ETH_P_`
    VlanProtocol: u16 as BigShort {
        /// The customer's tag: `802.1Q`.
        Customer = 0x8100,
        /// The provider's tag, outside the customer's: `802.1ad`.
        Service = 0x88a8,
    }
}

data! {
    /// The frames of the parent link that carry a tag with one number. `vlan`
    Vlan {
        /// The number, 0 to 4094. The kernel refuses a new link without one. `IFLA_VLAN_ID`
        id: u16 = Short[1];
        /// Which tag. `IFLA_VLAN_PROTOCOL`
        protocol: VlanProtocol = VlanProtocol[5];
        /// `VLAN_FLAG_` bits: 1 reorder header, 2 GVRP, 4 loose binding, 8 MVRP, 16 bridge binding. `IFLA_VLAN_FLAGS`
        flags: Flags = Flags[2];
    }
}

impl Vlan {
    /// The VLAN with this number, 0 to 4094.
    pub const fn new(id: u16) -> Self {
        Self { id: Some(id), ..Self::NONE }
    }
}

numbers! {
    /// What the links made on one parent are to each other. `MACVLAN_MODE_`
    MacvlanMode: u32 as Number {
        /// Nothing.
        Private = 1,
        /// They meet at the next switch, which sends frames back: the kernel's default.
        Vepa = 2,
        /// They reach each other.
        Bridge = 4,
        /// There is only one, and it has the parent's hardware address.
        PassThrough = 8,
        /// Frames from chosen hardware addresses only.
        Source = 16,
    }
}

data! {
    /// A link with its own hardware address on the parent link. `macvlan`
    ///
    /// A `macvtap`, which a program reads like a file, is [`Kind::Macvtap`] with the same settings.
    Macvlan {
        /// How many broadcasts wait for the links of the parent. `IFLA_MACVLAN_BC_QUEUE_LEN`
        bcqueuelen: u32 = Number[7];
        /// From how many receivers on a broadcast waits its turn; negative: never. Since Linux 6.5. `IFLA_MACVLAN_BC_CUTOFF`
        bclim: i32 = Signed[9];
        /// How the links on one parent reach each other. `IFLA_MACVLAN_MODE`
        mode: MacvlanMode = MacvlanMode[1];
        /// `MACVLAN_FLAG_` bits: 1 no promiscuous parent, 2 no destinations. `IFLA_MACVLAN_FLAGS`
        flags: u16 = Short[2];
    }
}

numbers! {
    /// At which layer an `ipvlan` tells its links apart. `IPVLAN_MODE_`
    IpvlanMode: u16 as Short {
        /// Links answer ARP themselves.
        L2 = 0,
        /// The parent's namespace routes: the kernel's default.
        L3 = 1,
        /// The same, with netfilter in the parent's namespace.
        L3S = 2,
    }
}

data! {
    /// A link with the parent link's hardware address and its own IP addresses. `ipvlan`
    ///
    /// An `ipvtap`, which a program reads like a file, is [`Kind::Ipvtap`] with the same settings.
    Ipvlan {
        /// At which layer links are told apart. `IFLA_IPVLAN_MODE`
        mode: IpvlanMode = IpvlanMode[1];
        /// 0: the links on one parent reach each other, 1 (private): they do not, 2 (VEPA): by way of the next switch.
        /// `IFLA_IPVLAN_FLAGS`
        flags: u16 = Short[2];
    }
}

data! {
    /// Ethernet in UDP. `vxlan`; RFC 7348
    Vxlan {
        /// The index of the link to send by. `IFLA_VXLAN_LINK`
        link: u32 = Number[3];
        /// Hops of the outer packet; 0: as the kernel likes. `IFLA_VXLAN_TTL`
        ttl: u8 = Byte[5];
        /// Type of service of the outer packet; 1: that of the inner one. `IFLA_VXLAN_TOS`
        tos: u8 = Byte[6];
        /// The flow label of the outer packet over IPv6, 20 bits. `IFLA_VXLAN_LABEL`
        label: u32 = BigNumber[26];
        /// When a learnt address is forgotten, in seconds. `IFLA_VXLAN_AGEING`
        ageing: u32 = Number[8];
        /// How many addresses are learnt; 0: no limit. `IFLA_VXLAN_LIMIT`
        limit: u32 = Number[9];
        /// The first and the last UDP port to send from. `IFLA_VXLAN_PORT_RANGE`
        port_range: (u16, u16) = Ports[10];
        /// Whether it answers ARP for the other ends. `IFLA_VXLAN_PROXY`
        proxy: bool = Switch[11];
        /// Whether it routes around the bridge where it can. `IFLA_VXLAN_RSC`
        rsc: bool = Switch[12];
        /// Whether listeners of neighbour events hear of hardware addresses that are not known. `IFLA_VXLAN_L2MISS`
        l2miss: bool = Switch[13];
        /// The same for IP addresses. `IFLA_VXLAN_L3MISS`
        l3miss: bool = Switch[14];
        /// Whether the outer packet over IPv4 has a checksum. `IFLA_VXLAN_UDP_CSUM`
        udp_csum: bool = Switch[18];
        /// Whether the outer packet over IPv6 may lack one. `IFLA_VXLAN_UDP_ZERO_CSUM6_TX`
        udp_zero_csum6_tx: bool = Switch[19];
        /// Whether such packets are accepted. `IFLA_VXLAN_UDP_ZERO_CSUM6_RX`
        udp_zero_csum6_rx: bool = Switch[20];
        /// Whether the receiver is left to finish the inner checksum. `IFLA_VXLAN_REMCSUM_TX`
        remcsum_tx: bool = Switch[21];
        /// Whether such packets are accepted. `IFLA_VXLAN_REMCSUM_RX`
        remcsum_rx: bool = Switch[22];
        /// Whether packets carry a group policy. `Some(false)` is as good as nothing. `IFLA_VXLAN_GBP`
        gbp: bool = Present[23];
        /// Whether packets name the protocol they carry. `Some(false)` is as good as nothing. `IFLA_VXLAN_GPE`
        gpe: bool = Present[27];
        /// "Do not fragment" in the outer packet: 0 never, 1 always, 2 as in the inner one. `IFLA_VXLAN_DF`
        df: u8 = Byte[29];
        /// Whether routes and filters say where each packet goes (`external`). `IFLA_VXLAN_COLLECT_METADATA`
        external: bool = Switch[25];
        /// Whether it takes only the numbers that `bridge vni` lists. `IFLA_VXLAN_VNIFILTER`
        vnifilter: bool = Switch[30];
        /// The network's number, at most 2^24 - 1. The kernel wants it unless `external` is set. `IFLA_VXLAN_ID`
        id: u32 = Number[1];
        /// The address to send from. `IFLA_VXLAN_LOCAL`, `IFLA_VXLAN_LOCAL6`
        local: IpAddr = Ip[4, 17];
        /// The other end, or the multicast group of all ends. `IFLA_VXLAN_GROUP`, `IFLA_VXLAN_GROUP6`
        remote: IpAddr = Ip[2, 16];
        /// Whether it learns behind which end a hardware address is. `IFLA_VXLAN_LEARNING`
        learning: bool = Switch[7];
        /// The UDP port to send to and to listen at. The standard's is 4789, the kernel's default 8472. `IFLA_VXLAN_PORT`
        port: u16 = BigShort[15];
    }
}

impl Vxlan {
    /// The network with this number.
    pub const fn new(id: u32) -> Self {
        Self { id: Some(id), ..Self::NONE }
    }
}

data! {
    /// A routing table of their own for the links whose master it is. `vrf`
    Vrf {
        /// The table. The kernel refuses a new link without one. `IFLA_VRF_TABLE`
        table: u32 = Number[1];
    }
}

impl Vrf {
    /// The links of this table.
    pub const fn new(table: u32) -> Self {
        Self { table: Some(table) }
    }
}

numbers! {
    /// What a bond does with its links. `BOND_MODE_`
    BondMode: u8 as Byte {
        /// Takes them in turn: `balance-rr`, the kernel's default.
        RoundRobin = 0,
        /// Uses one, and another when that fails: `active-backup`.
        ActiveBackup = 1,
        /// Chooses by addresses: `balance-xor`.
        Xor = 2,
        /// Sends everything on all: `broadcast`.
        Broadcast = 3,
        /// Speaks LACP with the switch: `802.3ad`.
        Lacp = 4,
        /// Chooses by load for sending: `balance-tlb`.
        SendLoad = 5,
        /// Chooses by load for both: `balance-alb`.
        Load = 6,
    }
}

numbers! {
    /// From what a bond computes which link to take. `BOND_XMIT_POLICY_`
    BondHash: u8 as Byte {
        /// Hardware addresses: `layer2`.
        Layer2 = 0,
        /// IP addresses and ports: `layer3+4`.
        Layer34 = 1,
        /// Hardware and IP addresses: `layer2+3`.
        Layer23 = 2,
        /// The same, of the packet within a tunnel: `encap2+3`.
        Encapsulated23 = 3,
        /// IP addresses and ports of the packet within a tunnel: `encap3+4`.
        Encapsulated34 = 4,
        /// VLAN and sender's hardware address: `vlan+srcmac`.
        VlanSource = 5,
    }
}

data! {
    /// Several links as one. `bond`; `Documentation/networking/bonding.rst`
    ///
    /// The kernel accepts a setting only in the modes that it makes sense in, and looks at them in its own order.
    Bond {
        /// What it does with its links. `IFLA_BOND_MODE`
        mode: BondMode = BondMode[1];
        /// The index of the link in use. `IFLA_BOND_ACTIVE_SLAVE`
        active_slave: u32 = Number[2];
        /// How often it looks whether its links are up, in milliseconds; 0: never. `IFLA_BOND_MIIMON`
        miimon: u32 = Number[3];
        /// When a link that came up is used, in milliseconds; a multiple of `miimon`. `IFLA_BOND_UPDELAY`
        updelay: u32 = Number[4];
        /// When a link that went down is given up, in milliseconds; a multiple of `miimon`. `IFLA_BOND_DOWNDELAY`
        downdelay: u32 = Number[5];
        /// Whether drivers' word is taken for "up". `IFLA_BOND_USE_CARRIER`
        use_carrier: bool = Switch[6];
        /// How often it asks `arp_ip_target`, in milliseconds; 0: never. `IFLA_BOND_ARP_INTERVAL`
        arp_interval: u32 = Number[7];
        /// Machines whose answers show that a link works. `IFLA_BOND_ARP_IP_TARGET`
        arp_ip_target: Targets = Targets[8];
        /// Which links only count as up with an answer: 0 none, 1 the active, 2 the others, 3 all. `IFLA_BOND_ARP_VALIDATE`
        arp_validate: u32 = Number[9];
        /// Whether all targets must answer, not any. `IFLA_BOND_ARP_ALL_TARGETS`
        arp_all_targets: bool = LongSwitch[10];
        /// The index of the link that is preferred. `IFLA_BOND_PRIMARY`
        primary: u32 = Number[11];
        /// When the primary is used again: 0 always, 1 if it is better, 2 after a failure. `IFLA_BOND_PRIMARY_RESELECT`
        primary_reselect: u8 = Byte[12];
        /// Whose hardware address: 0 all have one, 1 that of the active link, 2 set at failure. `IFLA_BOND_FAIL_OVER_MAC`
        fail_over_mac: u8 = Byte[13];
        /// What chooses the link. `IFLA_BOND_XMIT_HASH_POLICY`
        xmit_hash_policy: BondHash = BondHash[14];
        /// How many IGMP reports are sent after a failure. `IFLA_BOND_RESEND_IGMP`
        resend_igmp: u32 = Number[15];
        /// How many gratuitous ARPs are sent after a failure. `IFLA_BOND_NUM_PEER_NOTIF`
        num_peer_notif: u8 = Byte[16];
        /// Whether frames that come in by an idle link are taken. `IFLA_BOND_ALL_SLAVES_ACTIVE`
        all_slaves_active: bool = Switch[17];
        /// How many links must be up for the bond to be. `IFLA_BOND_MIN_LINKS`
        min_links: u32 = Number[18];
        /// Between two learning packets to switches, in seconds. `IFLA_BOND_LP_INTERVAL`
        lp_interval: u32 = Number[19];
        /// How many packets a link gets in its turn; 0: as chance has it. `IFLA_BOND_PACKETS_PER_SLAVE`
        packets_per_slave: u32 = Number[20];
        /// Whether the partner is asked for LACP each second (`fast`), not each half minute. `IFLA_BOND_AD_LACP_RATE`
        ad_lacp_rate: bool = Switch[21];
        /// Which of the aggregators: 0 stable, 1 by bandwidth, 2 by count. `IFLA_BOND_AD_SELECT`
        ad_select: u8 = Byte[22];
        /// This machine's priority in LACP, 1 to 65535. `IFLA_BOND_AD_ACTOR_SYS_PRIO`
        ad_actor_sys_prio: u16 = Short[24];
        /// The upper 10 bits of the port key in LACP. `IFLA_BOND_AD_USER_PORT_KEY`
        ad_user_port_key: u16 = Short[25];
        /// This machine's address in LACP. `IFLA_BOND_AD_ACTOR_SYSTEM`
        ad_actor_system: [u8; 6] = Mac[26];
        /// Whether connections move to another link as loads change. `IFLA_BOND_TLB_DYNAMIC_LB`
        tlb_dynamic_lb: bool = Switch[27];
        /// Between two gratuitous ARPs, in milliseconds; a multiple of `miimon`. `IFLA_BOND_PEER_NOTIF_DELAY`
        peer_notify_delay: u32 = Number[28];
        /// Whether it speaks LACP first. `IFLA_BOND_AD_LACP_ACTIVE`
        ad_lacp_active: bool = Switch[29];
        /// How many missing answers to ARP make a link down. `IFLA_BOND_MISSED_MAX`
        arp_missed_max: u8 = Byte[30];
        /// Whether a link only sends after the partner agreed on it. Since Linux 6.9. `IFLA_BOND_COUPLED_CONTROL`
        coupled_control: bool = Switch[32];
    }
}

data! {
    /// A link whose other end is a program: `tun` of IP packets, `tap` of Ethernet frames. `tun`
    ///
    /// Read only. The kernel does not make these by netlink: it refuses with `EOPNOTSUPP` and "tun/tap creation via rtnetlink is
    /// not supported". They are made by `TUNSETIFF` on an open `/dev/net/tun`, where the settings go, too.
    Tun {
        /// The user who may attach to it. `IFLA_TUN_OWNER`
        owner: u32 = Number[1];
        /// The group that may attach to it. `IFLA_TUN_GROUP`
        group: u32 = Number[2];
        /// 1: `tun`, 2: `tap`. `IFLA_TUN_TYPE`
        tun_type: u8 = Byte[3];
        /// Whether packets come with a header that names their protocol. `IFLA_TUN_PI`
        pi: bool = Switch[4];
        /// Whether packets come with a header for offloads. `IFLA_TUN_VNET_HDR`
        vnet_hdr: bool = Switch[5];
        /// Whether it stays when the program ends. `IFLA_TUN_PERSIST`
        persist: bool = Switch[6];
        /// Whether several descriptors may be attached. `IFLA_TUN_MULTI_QUEUE`
        multi_queue: bool = Switch[7];
        /// How many are. `IFLA_TUN_NUM_QUEUES`
        numqueues: u32 = Number[8];
        /// How many of those are switched off. `IFLA_TUN_NUM_DISABLED_QUEUES`
        numdisabled: u32 = Number[9];
    }
}

/// The kernel's name of a kind, as long as the kernel itself allows it. `MODULE_NAME_LEN`
pub type KindName = Name<56>;

/// `kinds!` declares [`Kind`] and what depends on all kinds, from one table.
macro_rules! kinds {
    (settings: { $($(#[$doc:meta])* $kind:ident($data:ident) = $name:literal,)* } plain: { $($(#[$plain_doc:meta])* $plain:ident = $plain_name:literal,)* }) => {
        /// What the kernel tells of a link's kind; also a [`LinkKind`] that is known only at run time.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Kind {
            $($(#[$doc])* $kind($data),)*
            $($(#[$plain_doc])* $plain,)*
            /// Any other, by the kernel's name.
            Other(KindName),
        }

        impl Kind {
            fn new(name: &[u8], data: Attributes<'_>) -> Result<Self, Malformed> {
                match name {
                    $($name => $data::read_attributes(data).map(Self::$kind),)*
                    $($plain_name => Ok(Self::$plain),)*
                    other => KindName::new(other).map(Self::Other).map_err(|_| Malformed),
                }
            }

            #[cfg(test)]
            pub(crate) fn any() -> proptest::strategy::BoxedStrategy<Self> {
                use proptest::prelude::*;
                prop_oneof![
                    $($data::any().prop_map(Self::$kind),)*
                    $(Just(Self::$plain),)*
                    "[a-z]{8,55}".prop_map(|name| Self::Other(KindName::try_from(name.as_str()).unwrap())),
                ].boxed()
            }
        }

        impl LinkKind for Kind {
            fn name(&self) -> &[u8] {
                match self {
                    $(Self::$kind(_) => $name,)*
                    $(Self::$plain => $plain_name,)*
                    Self::Other(name) => name.as_bytes(),
                }
            }

            fn has_data(&self) -> bool {
                match self {
                    $(Self::$kind(data) => *data != $data::NONE,)*
                    _ => false,
                }
            }

            fn write_data(&self, writer: &mut Writer<'_>) {
                match self {
                    $(Self::$kind(data) => data.write_attributes(writer),)*
                    _ => {}
                }
            }
        }
    };
}

kinds! {
    settings: {
        /// `bridge`
        Bridge(Bridge) = b"bridge",
        /// `vlan`
        Vlan(Vlan) = b"vlan",
        /// `macvlan`
        Macvlan(Macvlan) = b"macvlan",
        /// `macvtap`
        Macvtap(Macvlan) = b"macvtap",
        /// `ipvlan`
        Ipvlan(Ipvlan) = b"ipvlan",
        /// `ipvtap`
        Ipvtap(Ipvlan) = b"ipvtap",
        /// `vxlan`
        Vxlan(Vxlan) = b"vxlan",
        /// `vrf`
        Vrf(Vrf) = b"vrf",
        /// `bond`
        Bond(Bond) = b"bond",
        /// `tun`, which the kernel refuses to make this way.
        Tun(Tun) = b"tun",
    }
    plain: {
        /// `veth`. To be made as a [`Veth`](super::Veth), which says what the other end is to be.
        ///
        /// [`Link::parent`](super::Link::parent) is the index of the other end.
        Veth = b"veth",
        /// `dummy`: a link that loses all.
        Dummy = b"dummy",
        /// `ifb`: a link to shape what comes in.
        Ifb = b"ifb",
        /// `wireguard`: the link only; keys and peers are set by generic netlink.
        Wireguard = b"wireguard",
    }
}

/// Each structure is the kind of its name.
macro_rules! alone {
    ($($data:ident = $name:literal,)*) => {
        $(impl LinkKind for $data {
            fn name(&self) -> &[u8] {
                $name
            }

            fn has_data(&self) -> bool {
                *self != Self::NONE
            }

            fn write_data(&self, writer: &mut Writer<'_>) {
                self.write_attributes(writer);
            }
        })*
    };
}

alone! {
    Bridge = b"bridge",
    Vlan = b"vlan",
    Macvlan = b"macvlan",
    Ipvlan = b"ipvlan",
    Vxlan = b"vxlan",
    Vrf = b"vrf",
    Bond = b"bond",
}

impl Kind {
    /// Reads the contents of `IFLA_LINKINFO`; `None` if it names no kind.
    pub(super) fn read(information: Attributes<'_>) -> Result<Option<Self>, Malformed> {
        let (mut name, mut data) = (None, Attributes::new(&[]));
        for attribute in information {
            let attribute = attribute?;
            match attribute.kind {
                NAME => name = Some(attribute.text()),
                DATA => data = attribute.attributes(),
                _ => {}
            }
        }
        name.map(|name| Self::new(name, data)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;
    use std::boxed::Box;
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;
    use crate::capture::{block, bytes, check, commands, for_every_damage, told};
    use crate::link::{Link, LinkName, LinkSettings, NewLink, Peer, Veth};
    use crate::wire::Messages;

    /// What `ip` sends, and what the kernel then tells.
    const WRITTEN: &str = include_str!("../../captures/links-written.txt");
    const TOLD: &str = include_str!("../../captures/kinds-told.txt");

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn name(text: &str) -> LinkName {
        LinkName::try_from(text).unwrap()
    }

    /// The names of links in the captures, whether they are made on link 3, and what kind they are.
    fn kinds() -> Vec<(&'static str, bool, Kind)> {
        let bridge = Bridge {
            forward_delay: Some(400),
            hello_time: Some(300),
            max_age: Some(700),
            ageing_time: Some(12_000),
            stp_state: Some(true),
            priority: Some(100),
            vlan_filtering: Some(true),
            vlan_protocol: Some(VlanProtocol::Service),
            group_fwd_mask: Some(8),
            mcast_snooping: Some(false),
            mcast_hash_max: Some(1024),
            mcast_query_intvl: Some(5000),
            nf_call_iptables: Some(true),
            vlan_default_pvid: Some(9),
            vlan_stats_enabled: Some(true),
            mcast_igmp_version: Some(3),
            ..Bridge::NONE
        };
        let vlan = Vlan { protocol: Some(VlanProtocol::Service), flags: Some(Flags::set(2)), ..Vlan::new(7) };
        let macvlan = Macvlan { mode: Some(MacvlanMode::Bridge), bcqueuelen: Some(50), ..Macvlan::NONE };
        let macvtap = Macvlan { mode: Some(MacvlanMode::Private), ..Macvlan::NONE };
        let ipvlan = Ipvlan { mode: Some(IpvlanMode::L3S), flags: Some(2) };
        let vxlan = Vxlan {
            remote: Some(ip("192.0.2.7")),
            local: Some(ip("192.0.2.1")),
            link: Some(3),
            ttl: Some(9),
            tos: Some(1),
            learning: Some(false),
            ageing: Some(60),
            limit: Some(100),
            port_range: Some((40_000, 41_000)),
            proxy: Some(true),
            l2miss: Some(true),
            port: Some(4789),
            udp_csum: Some(true),
            gbp: Some(true),
            df: Some(1),
            ..Vxlan::new(7)
        };
        let vxlan6 = Vxlan {
            remote: Some(ip("fd00::7")),
            local: Some(ip("fd00::1")),
            label: Some(0x12345),
            udp_zero_csum6_tx: Some(true),
            learning: Some(true),
            port: Some(4789),
            ..Vxlan::new(8)
        };
        let bond = Bond {
            mode: Some(BondMode::Lacp),
            miimon: Some(100),
            updelay: Some(200),
            downdelay: Some(300),
            xmit_hash_policy: Some(BondHash::Layer34),
            min_links: Some(2),
            ad_lacp_rate: Some(true),
            ad_select: Some(1),
            ad_actor_sys_prio: Some(77),
            ad_user_port_key: Some(3),
            ad_actor_system: Some([2, 0, 0, 0, 0, 9]),
            ..Bond::NONE
        };
        let watching = Bond {
            mode: Some(BondMode::ActiveBackup),
            arp_interval: Some(500),
            arp_ip_target: Targets::new(&[Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2)]),
            arp_validate: Some(3),
            fail_over_mac: Some(1),
            resend_igmp: Some(2),
            num_peer_notif: Some(3),
            ..Bond::NONE
        };
        std::vec![
            ("dummy7", false, Kind::Dummy),
            ("br7", false, Kind::Bridge(bridge)),
            ("vlan7", true, Kind::Vlan(vlan)),
            ("macvlan7", true, Kind::Macvlan(macvlan)),
            ("macvtap7", true, Kind::Macvtap(macvtap)),
            ("ipvlan7", true, Kind::Ipvlan(ipvlan)),
            ("vxlan7", false, Kind::Vxlan(vxlan)),
            ("vxlan8", false, Kind::Vxlan(vxlan6)),
            ("vrf7", false, Kind::Vrf(Vrf::new(1007))),
            ("bond7", false, Kind::Bond(bond)),
            ("bond8", false, Kind::Bond(watching)),
        ]
    }

    /// The same kind as a structure of its own, where there is one.
    fn alone(kind: &Kind) -> Box<dyn LinkKind> {
        match *kind {
            Kind::Bridge(data) => Box::new(data),
            Kind::Vlan(data) => Box::new(data),
            Kind::Macvlan(data) => Box::new(data),
            Kind::Ipvlan(data) => Box::new(data),
            Kind::Vxlan(data) => Box::new(data),
            Kind::Vrf(data) => Box::new(data),
            Kind::Bond(data) => Box::new(data),
            Kind::Dummy => Box::new("dummy"),
            other => Box::new(other),
        }
    }

    #[test]
    fn every_kind_is_written_as_ip_writes_it_and_reads_back() {
        for (link, on_base, kind) in kinds() {
            let capture = commands(WRITTEN).find(|(command, _)| command.contains(&std::format!(" {link} "))).unwrap().1;
            let settings = LinkSettings { parent: on_base.then_some(3), ..LinkSettings::named(name(link)) };
            for kind in [&kind as &dyn LinkKind, &*alone(&kind)] {
                check(&NewLink { kind, index: None, settings }, capture);
            }
            let read = told(&NewLink { kind: &kind, index: None, settings }, Link::read);
            assert_eq!(read.unwrap().unwrap().kind, Some(kind));
        }
    }

    #[test]
    fn what_is_set_of_a_kind_the_kernel_tells() {
        let read = |link: &str| {
            let capture = bytes(block(TOLD, link));
            let link = Link::read(&Messages::new(&capture).next().unwrap().unwrap());
            link.unwrap().unwrap().kind.unwrap()
        };
        for (link, _, kind) in kinds().into_iter().skip(1) {
            // Written over what the kernel told, what was set changes nothing.
            let capture = read(link);
            let whole = match (capture, kind) {
                (Kind::Bridge(told), Kind::Bridge(set)) => Kind::Bridge(told.with(&set)),
                // The kernel tells all ones as the mask, and its own default.
                (Kind::Vlan(told), Kind::Vlan(set)) => {
                    assert_eq!(told.flags, Some(Flags { value: 3, mask: u32::MAX }));
                    Kind::Vlan(told.with(&Vlan { flags: told.flags, ..set }))
                }
                (Kind::Macvlan(told), Kind::Macvlan(set)) => Kind::Macvlan(told.with(&set)),
                (Kind::Macvtap(told), Kind::Macvtap(set)) => Kind::Macvtap(told.with(&set)),
                (Kind::Ipvlan(told), Kind::Ipvlan(set)) => Kind::Ipvlan(told.with(&set)),
                // In that guest the port was the kernel's default.
                (Kind::Vxlan(told), Kind::Vxlan(set)) => Kind::Vxlan(told.with(&Vxlan { port: told.port, ..set })),
                (Kind::Vrf(told), Kind::Vrf(set)) => Kind::Vrf(told.with(&set)),
                (Kind::Bond(told), Kind::Bond(set)) => Kind::Bond(told.with(&set)),
                other => panic!("{link}: {other:?}"),
            };
            assert_eq!(whole, capture, "{link}");
        }
        assert_eq!(read("wg7"), Kind::Wireguard);
        assert_eq!(read("gre7"), Kind::Other(KindName::try_from("gretap").unwrap()));
        let Kind::Tun(tun) = read("tap7") else { panic!() };
        let set =
            Tun { owner: Some(4711), tun_type: Some(2), persist: Some(true), multi_queue: Some(true), ..Tun::NONE };
        assert_eq!(tun.with(&set), tun);
    }

    #[test]
    fn all_settings_of_a_peer_are_written_as_ip_writes_them() {
        let peer = Peer {
            mac: Some([2, 0, 0, 0, 0, 2]),
            mtu: Some(1300),
            queue_length: Some(77),
            group: Some(5),
            ..Peer::named(name("right"))
        };
        let capture = commands(WRITTEN).find(|(command, _)| command.contains(" left ")).unwrap().1;
        check(&NewLink { kind: &Veth { peer }, index: None, settings: LinkSettings::named(name("left")) }, capture);
    }

    #[test]
    fn no_damage_to_a_captured_kind_panics() {
        for (_, capture) in commands(WRITTEN).chain(commands(TOLD)) {
            for_every_damage(&bytes(capture), |damaged| {
                for message in Messages::new(damaged).flatten() {
                    let _ = Link::read(&message);
                    let _ = crate::link::AlternativeNames::read(&message).map(Iterator::count);
                }
            });
        }
    }

    #[test]
    fn there_are_at_most_sixteen_targets() {
        let address = Ipv4Addr::LOCALHOST;
        assert_eq!(Targets::new(&[address; 16]).map(|targets| targets.iter().count()), Some(16));
        assert_eq!(Targets::new(&[address; 17]), None);
    }

    proptest! {
        #[test]
        fn whatever_is_written_of_a_kind_reads_back(kind in Kind::any()) {
            let request = NewLink { kind: &kind, index: Some(9), settings: LinkSettings::named(name("x")) };
            let link = told(&request, Link::read).unwrap().unwrap();
            prop_assert_eq!(link.kind, Some(kind));
            prop_assert_eq!(link.index, 9);
        }
    }
}
